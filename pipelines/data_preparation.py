"""The steps that every pipeline which trains has in common: a data set becomes arrays and an augmentation.

In one place, so that hosts which only search see the images and the split of those that train.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from steps.augment import augment
from steps.ingest import fingerprint_source, ingest
from steps.inspect import inspect
from steps.prepare import prepare
from steps.report_data import report_data
from steps.split import split
from steps.validate import fingerprint_contracts, validate
from vision.config import Config


class Data(NamedTuple):
    """Outputs of steps, as ZenML hands them from one to the next."""

    manifest: Any
    prepared: Any
    policy: Any


def prepare_data(config: Config) -> Data:
    """Each line is a step."""
    contracts = fingerprint_contracts(config.contracts)
    name, seed = config.name, config.seed
    source = fingerprint_source(config.data, config.review, name=name)

    found = ingest(config.data, config.prepare, config.review, name=name, fingerprint=source)
    inspected, facts = inspect(found, config.prepare, config.quality, seed=seed)
    policies = config.quality.policies
    valid, quarantine, _ = validate(inspected, config.contracts, policies, fingerprint=contracts)
    manifest = split(valid, config.split, policies, seed=seed, name=name)
    report_data(inspected, manifest, quarantine, facts, config.prepare, name=name)
    prepared = prepare(manifest, config.prepare)
    policy, _ = augment(prepared, config.augment, seed=seed)
    return Data(manifest, prepared, policy)

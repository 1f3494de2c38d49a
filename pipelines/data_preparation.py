"""The steps that pipelines have in common: a data set becomes a manifest, then arrays and an augmentation.

In one place, so that hosts which only search, and the gate, see the images and the split of those that train.
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


class Divided(NamedTuple):
    """Outputs of steps, as ZenML hands them from one to the next."""

    inspected: Any
    facts: Any
    quarantine: Any
    manifest: Any


class Prepared(NamedTuple):
    """The same."""

    manifest: Any
    images: Any
    policy: Any


def divide_data(config: Config) -> Divided:
    """Each line is a step, or what makes its cache follow the files."""
    contracts = fingerprint_contracts(config.contracts)
    name, seed = config.name, config.seed
    source = fingerprint_source(config.data, config.review, name=name)

    found = ingest(config.data, config.prepare, config.review, name=name, fingerprint=source)
    inspected, facts = inspect(found, config.prepare, config.quality, seed=seed)
    policies = config.quality.policies
    valid, quarantine, _ = validate(inspected, config.contracts, policies, fingerprint=contracts)
    manifest = split(valid, config.split, policies, seed=seed, name=name)
    return Divided(inspected, facts, quarantine, manifest)


def prepare_data(config: Config) -> Prepared:
    """The same, until training can begin."""
    inspected, facts, quarantine, manifest = divide_data(config)
    report_data(inspected, manifest, quarantine, facts, config.prepare, name=config.name)
    images = prepare(manifest, config.prepare)
    policy, _ = augment(images, config.augment, seed=config.seed)
    return Prepared(manifest, images, policy)

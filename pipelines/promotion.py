"""A version that is registered already, judged against the champion on the data of today."""

from __future__ import annotations

from zenml import pipeline
from zenml.enums import ExecutionMode

from pipelines.code_dependencies import follow_code
from pipelines.configured import configured
from steps.build_bento import build_bento
from steps.choose_candidate import choose_candidate
from steps.ingest import fingerprint_source, ingest
from steps.inspect import inspect
from steps.judge import judge
from steps.promote import promote
from steps.split import split
from steps.try_bento import try_bento
from steps.validate import fingerprint_contracts, validate
from vision.config import Config


@configured
@pipeline(cache_policy=follow_code(), execution_mode=ExecutionMode.FAIL_FAST)
def promotion(config: Config = Config(), version: int | None = None) -> None:  # noqa: B008 - frozen
    """The newest version that is not champion, or `version` (parameters.version in the YAML)."""
    contracts = fingerprint_contracts(config.contracts)
    name, seed = config.name, config.seed
    source = fingerprint_source(config.data, config.review, name=name)

    found = ingest(config.data, config.prepare, config.review, name=name, fingerprint=source)
    inspected, _ = inspect(found, config.prepare, config.quality, seed=seed)
    policies = config.quality.policies
    valid, _, _ = validate(inspected, config.contracts, policies, fingerprint=contracts)
    manifest = split(valid, config.split, policies, seed=seed, name=name)

    candidate = choose_candidate(name=name, version=version)
    decision, _ = judge(candidate, manifest, config.promote, name=name)
    bento_tag = build_bento(decision, candidate, name=name)
    blessing = try_bento(bento_tag, decision, candidate, manifest, name=name)
    promote(candidate, decision, blessing, name=name, alerts=config.alerts)

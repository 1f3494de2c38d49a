"""A version that is registered already, judged against the champion on the data of today."""

from __future__ import annotations

from zenml import pipeline
from zenml.enums import ExecutionMode

from pipelines.code_dependencies import follow_code
from pipelines.configured import configured
from pipelines.data_preparation import divide_data
from steps.build_bento import build_bento
from steps.choose_candidate import choose_candidate
from steps.judge import judge
from steps.promote import promote
from steps.try_bento import try_bento
from vision.config import Config


@configured
@pipeline(cache_policy=follow_code(), execution_mode=ExecutionMode.FAIL_FAST)
def promotion(config: Config = Config(), version: int | None = None) -> None:  # noqa: B008 - frozen
    """The newest version that is not champion, or `version` (parameters.version in the YAML)."""
    name, manifest = config.name, divide_data(config).manifest

    candidate = choose_candidate(name=name, version=version)
    decision, _ = judge(candidate, manifest, config.promote, name=name)
    bento_tag = build_bento(decision, candidate, name=name)
    blessing = try_bento(bento_tag, decision, candidate, manifest, name=name)
    promote(candidate, decision, blessing, name=name, alerts=config.alerts)

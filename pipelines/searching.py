"""The search for settings alone: for hosts that help another one's `training` with its trials."""

from __future__ import annotations

from zenml import pipeline
from zenml.enums import ExecutionMode

from pipelines.code_dependencies import follow_code
from pipelines.configured import configured
from pipelines.data_preparation import prepare_data
from steps.tune import tune
from vision.config import Config


@configured
@pipeline(cache_policy=follow_code(), execution_mode=ExecutionMode.FAIL_FAST)
def searching(config: Config = Config()) -> None:  # noqa: B008 - frozen
    """The trials that `training` of the same file draws from, and nothing behind them."""
    _, prepared, policy = prepare_data(config)
    seed, name = config.seed, config.name
    tune(prepared, policy, config.model, config.train, config.tune, seed=seed, name=name)

"""The service's answers beside what its model was made for: drift, and whether to train again.

It starts no training: `sightline monitor`, which is also what the schedule runs, looks and then does so.
"""

from __future__ import annotations

from zenml import pipeline
from zenml.enums import ExecutionMode

from pipelines.configured import configured
from steps.decide_retraining import decide_retraining
from steps.detect_drift import detect_drift
from steps.read_service import read_service
from vision.config import Config


@configured
@pipeline(enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def monitoring(config: Config = Config()) -> None:  # noqa: B008 - frozen
    """One look."""
    window, _ = read_service(config.monitor, name=config.name)
    look, _ = detect_drift(window, config.monitor, seed=config.seed)
    decide_retraining(look, config.retrain, config.alerts)

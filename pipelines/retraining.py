"""Training from the champion's weights, with the images that were reviewed since as a part of the data."""

from __future__ import annotations

from zenml import pipeline
from zenml.enums import ExecutionMode

from pipelines.code_dependencies import follow_code
from pipelines.configured import configured
from pipelines.training import training
from steps.begin_from_champion import starting_champion
from steps.note_retraining import note_retraining
from vision.config import Config


@configured
@pipeline(cache_policy=follow_code(), execution_mode=ExecutionMode.FAIL_FAST)
def retraining(config: Config = Config(), reason: str = "by hand") -> None:  # noqa: B008 - frozen
    """`reason` is why it runs."""
    champion = starting_champion(config)
    note_retraining(reason, champion=champion)
    training(config, champion=champion)

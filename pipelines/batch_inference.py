"""New images predicted by the champion, into a folder of parquet files."""

from __future__ import annotations

from zenml import pipeline
from zenml.enums import ExecutionMode

from pipelines.configured import configured
from steps.list_images import list_images
from steps.predict_images import predict_images
from vision.config import Config


@configured
@pipeline(enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def batch_inference(config: Config = Config()) -> None:  # noqa: B008 - frozen
    """The images of config.batch.paths; run again after a kill, it goes on where it was."""
    plan = list_images(config.batch, name=config.name)
    predict_images(plan, config.batch)

"""The plan -> every image's answer in a folder of parquet files; what is there already is not done again."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step
from zenml.types import HTMLString

from vision.batch.page import batch_page
from vision.batch.plan import Plan
from vision.batch.run import predict_plan
from vision.batch.summary import BatchSummary
from vision.batch_config import BatchConfig


@step(enable_cache=False)
def predict_images(
    plan: Plan, config: BatchConfig
) -> tuple[Annotated[BatchSummary, "batch_summary"], Annotated[HTMLString, "batch_page"]]:
    """The answers stay in config.batch.output: the artifacts are their summary and its page."""
    summary = predict_plan(plan, config)
    log_metadata({"output": summary.output, "answered": summary.answered, "unreadable": summary.unreadable})
    return summary, HTMLString(batch_page(summary))

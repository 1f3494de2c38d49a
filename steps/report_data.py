"""What is known of the data before anything is learned from it -> a report to look at, and as JSON."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from zenml import step
from zenml.types import HTMLString

from registry.workspace import Workspace
from vision.bundle import write_atomically
from vision.data_report import DataSummary, summarize_data
from vision.manifest import Manifest
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing


@step
def report_data(
    inspected: Manifest,
    divided: Manifest,
    quarantine: pd.DataFrame,
    facts: dict[str, float],
    preprocessing: Preprocessing,
    name: str,
) -> tuple[Annotated[DataSummary, "data_summary"], Annotated[HTMLString, "data_report"]]:
    """Shows every image that was read, also those that were left out."""
    from vision.data_report import render_data_report

    workspace = Workspace.from_environment()
    whole = inspected.with_splits_of(divided)
    summary = summarize_data(
        whole, quarantine=quarantine, out_of_fold_accuracy=facts.get("out_of_fold_accuracy")
    )
    store = PixelStore(workspace.prepared, preprocessing)
    store.complete(whole.readable)
    images = store.images(whole.readable.table["sha256"].tolist())
    html = render_data_report(summary, whole, images, title=name)
    write_atomically(workspace.reports / name / "data.html", html)
    return summary, HTMLString(html)

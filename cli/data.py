"""`sightline data`: the truth about a data set before a minute of training, as a page or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson
from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from vision.data_report import DataSummary

Source = Annotated[
    str | None, typer.Argument(help="folder or table of images, local or a URL; that of the YAML if left out")
]
RunFile = Annotated[
    Path | None, typer.Option("--config", help="a run's YAML: source, size, policies, contracts")
]
Output = Annotated[Path | None, typer.Option("--output", help="where the page goes")]


def data(
    source: Source = None, config: RunFile = None, output: Output = None, as_json: AsJson = False
) -> None:
    """Report on a data set: unreadable files, copies, near-duplicates, doubtful labels, classes."""
    from cli.examination import configure, examine
    from registry.workspace import Workspace
    from vision.bundle import write_atomically

    workspace = Workspace.from_environment()
    settings = configure(source, config)
    examination = examine(settings, workspace)
    page = output or workspace.reports / settings.name / "data.html"
    write_atomically(page, examination.render(title=settings.name))
    stops = [breach.describe() for breach in examination.report.critical]
    if as_json:
        show_json(examination.summary.model_dump(mode="json") | {"stops_a_run": stops, "report": str(page)})
    else:
        show_rows(_rows(examination.summary, stops) | {"report": page})


def _rows(summary: DataSummary, stops: Sequence[str]) -> dict[str, object]:
    readable = f"{summary.readable:,} of {summary.images:,} images, {len(summary.classes)} classes"
    findings = {f"{number}.": text for number, text in enumerate(summary.sentences, start=1)}
    return {"read": readable, **findings, **({"stops a run": "; ".join(stops)} if stops else {})}

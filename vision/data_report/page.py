"""The data report as one HTML page: the findings in words, the data set in pictures, the worst images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vision.data_report.contents import DataSummary, LeftOut
from vision.image_array import ImageArray
from vision.manifest import Manifest

TEMPLATE = "data_report.html.j2"
# Files named in the table of what is left out, and classes that stand open.
MAX_FILES = 500
OPEN_CLASSES = 30


def render_data_report(
    summary: DataSummary, manifest: Manifest, images: ImageArray | None, *, title: str
) -> str:
    """The whole page. Draws its plots, so it takes a second or two; safe in several threads.

    `manifest` is what `summary` was made of; `images` (n, H, W, 3), uint8 0..255, are its readable rows in
    their order, or None: then the galleries name the files and show no pixels.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # class names, paths and reasons are other people's text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(title=title, **_variables(summary, manifest, images))


def _variables(summary: DataSummary, manifest: Manifest, images: ImageArray | None) -> dict[str, Any]:
    from vision.data_report.findings import describe_data
    from vision.data_report.galleries import Galleries
    from vision.data_report.plots import draw_plots

    left_out = _left_out(summary)
    return {
        "summary": summary,
        "headline": describe_data(summary),
        "facts": _facts(summary),
        "plots": draw_plots(summary, manifest.readable.table),
        "galleries": list(Galleries(summary, manifest, images)),
        "left_out": left_out[:MAX_FILES],
        "left_out_total": len(left_out),
        "is_long": len(summary.classes) > OPEN_CLASSES,
    }


def _left_out(summary: DataSummary) -> list[LeftOut]:
    """A file that cannot be read is quarantined too: it is named once, with the reason from reading."""
    unreadable = {file.path for file in summary.unreadable}
    return [*summary.unreadable, *(file for file in summary.quarantined if file.path not in unreadable)]


def _facts(summary: DataSummary) -> dict[str, str]:
    """What is known, in the order of questions; empty facts are left out."""
    drawn = {split: sum(counts.values()) for split, counts in summary.splits.items()}
    accuracy = summary.out_of_fold_accuracy
    facts = {
        "task": summary.task.replace("_", "-"),
        **{side: _range(summary, side) for side in summary.sizes},
        "formats": _listed(summary.formats),
        "modes": _listed(summary.modes),
        "labels in each split" if summary.task == "multi_label" else "splits": _listed(drawn),
        "accuracy behind doubtful labels": "" if accuracy is None else f"{100 * accuracy:.1f} %",
        "data revision": summary.revision[:12],
    }
    return {name: fact for name, fact in facts.items() if fact}


def _range(summary: DataSummary, side: str) -> str:
    spread = summary.sizes[side]
    if spread.min == spread.max:
        return f"{spread.min} pixels"
    return f"{spread.min} to {spread.max} pixels, median {spread.median:g}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())

"""The measured formats of a classifier as a table of text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vision.exporting.measuring import FormatMeasurement
from vision.report.plots import COLOURS, INK, describe, new_figure, plain_axes

HEAD = ("format", "MB", "accuracy", "p50 ms", "p99 ms", "images/s", "memory MB", "start s", "")


def table_rows(measured: Sequence[FormatMeasurement]) -> list[tuple[str, ...]]:
    """HEAD, then a row a format; of one that failed its reason."""
    return [HEAD, *map(_row, measured)]


def _row(row: FormatMeasurement) -> tuple[str, ...]:
    if row.failure:
        return (row.format, *7 * ("–",), row.failure)
    accuracy = "–" if row.accuracy is None else f"{row.accuracy:.4f}"
    figures = (row.p50_ms, row.p99_ms)
    return (
        row.format, f"{row.size_mb:.2f}", accuracy, *(f"{figure:.2f}" for figure in figures),
        f"{row.images_per_second:.0f}", f"{row.memory_mb:.0f}", f"{row.start_s:.1f}", "",
    )  # fmt: skip


def write_picture(measured: Sequence[FormatMeasurement], path: Path) -> None:
    """Bars a format: time for one image, throughput, size, memory; a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    rows = [row for row in measured if not row.failure][::-1]
    figure = new_figure(10.5, 1.2 + 0.42 * len(rows))
    for place, (title, values) in enumerate(_panels(rows), start=1):
        _bars(plain_axes(figure, 1, 4, place), title, rows, values, has_names=place == 1)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110, facecolor="white")


def _panels(rows: Sequence[FormatMeasurement]) -> list[tuple[str, list[float]]]:
    return [
        ("one image, ms", [row.p50_ms for row in rows]),
        ("images a second", [row.images_per_second for row in rows]),
        ("files, MB", [row.size_mb for row in rows]),
        ("memory, MB", [row.memory_mb for row in rows]),
    ]


def _bars(
    axes: Any, title: str, rows: Sequence[FormatMeasurement], values: Sequence[float], *, has_names: bool
) -> None:
    bars = axes.barh([row.format for row in rows], values, color=COLOURS[0], height=0.62)
    axes.bar_label(bars, [f"{value:.3g}" for value in values], padding=3, fontsize=8, color=INK)
    axes.margins(x=0.28)
    axes.tick_params(labelleft=has_names)
    axes.xaxis.set_ticks([])
    describe(axes, title=title)

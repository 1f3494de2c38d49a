"""The measured formats of a classifier as a table of text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vision.exporting.measuring import FormatMeasurement
from vision.report.plots import COLOURS, INK, describe, new_figure, plain_axes

HEAD = ("format", "MB", "accuracy", "p50 ms", "p99 ms", "images/s", "memory MB", "start s")


def table_rows(measured: Sequence[FormatMeasurement]) -> list[tuple[str, ...]]:
    """HEAD, then a row for each format that was measured."""
    return [HEAD, *(_row(row) for row in measured if not row.failure)]


def failures(measured: Sequence[FormatMeasurement]) -> list[str]:
    """A line for each of the others."""
    return [f"{row.format}: {row.failure}" for row in measured if row.failure]


def _row(row: FormatMeasurement) -> tuple[str, ...]:
    return (
        row.format,
        f"{row.size_mb:.2f}",
        _number(row.accuracy, 4),
        f"{row.p50_ms:.2f}",
        f"{row.p99_ms:.2f}",
        f"{row.images_per_second:.0f}",
        _number(row.memory_mb, 0),
        _number(row.start_s, 1),
    )


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def write_picture(measured: Sequence[FormatMeasurement], path: Path) -> None:
    """Bars a format: time for one image, throughput, size, memory; a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    rows = [row for row in measured if not row.failure][::-1]
    figure = new_figure(10.5, 1.2 + 0.42 * len(rows))
    for place, (title, values) in enumerate(_panels(rows), start=1):
        _bars(plain_axes(figure, 1, 4, place), title, rows, values, has_names=place == 1)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110, facecolor="white")


def _label(value: float) -> str:
    """Three digits; a dash for what is not known."""
    if not value:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _panels(rows: Sequence[FormatMeasurement]) -> list[tuple[str, list[float]]]:
    return [
        ("one image, ms", [row.p50_ms for row in rows]),
        ("images a second", [row.images_per_second for row in rows]),
        ("files, MB", [row.size_mb for row in rows]),
        ("memory, MB", [row.memory_mb or 0 for row in rows]),
    ]


def _bars(
    axes: Any, title: str, rows: Sequence[FormatMeasurement], values: Sequence[float], *, has_names: bool
) -> None:
    bars = axes.barh([row.format for row in rows], values, color=COLOURS[0], height=0.62)
    axes.bar_label(bars, list(map(_label, values)), padding=3, fontsize=8, color=INK)
    axes.margins(x=0.28)
    axes.tick_params(labelleft=has_names)
    axes.xaxis.set_ticks([])
    describe(axes, title=title)

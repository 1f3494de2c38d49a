"""What was tried to make the model smaller: time against accuracy, and the front that nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vision.compression.table import CompressionTable, Measurement
from vision.report.images import Picture, plot
from vision.report.plots import COLOURS, FAINT, FONT_SIZE, INK, describe, legend_below, new_figure, plain_axes
from vision.report.wording import percent, runs_as

MARKERS = {"float32": "o", "bfloat16": "s", "int8": "^", "int8_float_stem": "v", "int8_controlled": "D"}


def plot_front(table: CompressionTable) -> Picture | None:
    """Time for one image, logarithmic, against validation accuracy; None where nothing was made."""
    made = [row for row in table.rows if not row.failure]
    if len(made) < 2:
        return None
    axes = plain_axes(new_figure(7.2, 4.4))
    axes.set_xscale("log")
    axes.step(
        [row.latency_ms for row in table.front], [100 * row.accuracy for row in table.front],
        where="post", color=FAINT, linewidth=2, zorder=1,
    )  # fmt: skip
    for number, runtime in enumerate(dict.fromkeys(row.runtime for row in made)):
        _scatter(axes, [row for row in made if row.runtime == runtime], runtime, COLOURS[number])
    _mark_chosen(axes, table.chosen)
    floor = 100 * table.rows[0].accuracy - table.max_accuracy_drop
    axes.axhline(floor, color=INK, linewidth=0.8, linestyle=":", label="the budget")
    describe(axes, x="milliseconds for one image", y="validation accuracy, %")
    _plain_ticks(axes)
    legend_below(axes, columns=3)
    best = table.chosen
    return plot(
        axes.figure,
        f"Time against accuracy of {len(made)} ways to serve the model; the one that serves takes"
        f" {best.latency_ms:.2f} ms and is right in {percent(best.accuracy, 2)}",
    )


def _scatter(axes: Any, rows: Sequence[Measurement], runtime: str, colour: str) -> None:
    for precision in dict.fromkeys(row.precision for row in rows):
        shown = [row for row in rows if row.precision == precision]
        axes.scatter(
            [row.latency_ms for row in shown], [100 * row.accuracy for row in shown],
            color=colour, marker=MARKERS[precision], s=34, zorder=2,
            label=runs_as(runtime, precision),
        )  # fmt: skip


def _mark_chosen(axes: Any, chosen: Measurement) -> None:
    place = (chosen.latency_ms, 100 * chosen.accuracy)
    axes.scatter(*place, facecolor="none", edgecolor=INK, s=150, linewidth=1.4, zorder=3, label="serves")


def _plain_ticks(axes: Any) -> None:
    """0.2, 0.5, 1, 2 ... and not powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=FONT_SIZE - 0.5)

"""Accuracy on worse and worse images: a table in colours and a line for each disturbance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vision.intervals import MetricEstimate
from vision.report.images import Picture, plot
from vision.report.plots import COLOURS, FONT_SIZE, INK, describe, legend_below, new_figure, plain_axes
from vision.report.wording import percent
from vision.robustness import Robustness

# More lines than these cannot be told apart.
MAX_NAMED_LINES = 6


@dataclass(frozen=True)
class Cell:
    """`loss` is the share of the undisturbed accuracy that is gone, 0..1: the depth of the cell's colour."""

    accuracy: MetricEstimate
    loss: float


@dataclass(frozen=True)
class HeatTable:
    """Disturbances that come in the same strengths; rows are (name, cells), `means` one a strength."""

    strengths: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]

    @property
    def means(self) -> tuple[float, ...]:
        return tuple(np.mean([[cell.accuracy.value for cell in row] for _, row in self.rows], axis=0))

    @property
    def axis(self) -> tuple[str, tuple[str, ...]]:
        """The words that all strengths share, "" for none, and what is left of each.

        "severity 1", "severity 2" are "severity" and "1", "2"; "5 degrees", "9 degrees" are "… degrees" and
        "5", "9".
        """
        words = [strength.split() for strength in self.strengths]
        shared = [word for word in words[0] if len(words) > 1 and all(word in others for others in words)]
        names = tuple(" ".join(word for word in others if word not in shared) for others in words)
        if not shared or not all(names):
            return "", self.strengths
        return " ".join(shared if words[0][0] in shared else ["…", *shared]), names


def heat_tables(robustness: Robustness) -> tuple[HeatTable, ...]:
    """The scores, those of equal strengths together, the disturbance of lowest accuracy first."""
    cells: dict[str, dict[str, Cell]] = {}
    for score in robustness.scores:
        name = score.disturbance.replace("_", " ")
        cells.setdefault(name, {})[score.strength] = _cell(score.accuracy, robustness.clean.value)
    tables: dict[tuple[str, ...], list[tuple[str, tuple[Cell, ...]]]] = {}
    for name, row in cells.items():
        tables.setdefault(tuple(row), []).append((name, tuple(row.values())))
    return tuple(
        HeatTable(strengths, tuple(sorted(rows, key=_mean_accuracy))) for strengths, rows in tables.items()
    )


def _cell(accuracy: MetricEstimate, clean: float) -> Cell:
    lost = (clean - accuracy.value) / clean if clean else 0.0
    return Cell(accuracy, min(max(lost, 0.0), 1.0))


def _mean_accuracy(row: tuple[str, tuple[Cell, ...]]) -> float:
    return float(np.mean([cell.accuracy.value for cell in row[1]]))


def plot_robustness(tables: Sequence[HeatTable], clean: float) -> Picture | None:
    """A panel for each table, strength across; the six most harmful in colours. None without a table."""
    if not tables:
        return None
    figure = new_figure(10.6, 4.4)
    # Where there are many lines, there is twice the room.
    widths = [(1 + len(table.strengths)) * (1 + (len(table.rows) > 1)) for table in tables]
    grid = figure.add_gridspec(1, len(tables), width_ratios=widths)
    for place, table in enumerate(tables):
        axes = plain_axes(figure, grid[place])
        _draw_table(axes, table, clean)
        if place == 0:
            axes.set_ylabel("right, %", fontsize=FONT_SIZE, color=INK, labelpad=7)
        if len(table.rows) > 1:
            legend_below(axes, columns=4)
    return plot(figure, _in_words(tables, clean))


def _draw_table(axes: Any, table: HeatTable, clean: float) -> None:
    places = range(len(table.strengths))
    marker = "o" if len(places) == 1 else ""
    for row, colour in zip(table.rows[:MAX_NAMED_LINES], COLOURS, strict=False):
        axes.plot(places, _percents(row), color=colour, linewidth=1.6, marker=marker, label=row[0])
    for row in table.rows[MAX_NAMED_LINES:]:
        axes.plot(places, _percents(row), color="#b4bac2", linewidth=0.9, marker=marker)
    axes.axhline(100 * clean, color=INK, linewidth=0.9, linestyle=":")
    if len(table.rows) > 1:
        means = [100 * mean for mean in table.means]
        axes.plot(places, means, color="#000000", linewidth=2.2, linestyle="--", label="mean of all")
    unit, names = table.axis
    axes.set_xticks(places, names)
    axes.set_ylim(0, 103)
    title = table.rows[0][0] if len(table.rows) == 1 else f"{len(table.rows)} disturbances"
    describe(axes, title=title, x=unit)


def _percents(row: tuple[str, tuple[Cell, ...]]) -> list[float]:
    return [100 * cell.accuracy.value for cell in row[1]]


def _in_words(tables: Sequence[HeatTable], clean: float) -> str:
    rows = [(_mean_accuracy(row), row[0]) for table in tables for row in table.rows]
    told = ", ".join(f"{name} {percent(mean)}" for mean, name in sorted(rows)[:MAX_NAMED_LINES])
    return f"Accuracy by strength of each disturbance, {percent(clean)} without; lowest means: {told}"

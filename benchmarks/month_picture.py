"""Accuracy by day with retraining and without, a panel a drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.month_days import Day
from vision.report.plots import COLOURS, INK, describe, new_figure, plain_axes


def write_picture(months: Mapping[str, Sequence[Day]], path: Path) -> None:
    """A PNG; the drift sets in where the ground is grey, a promotion is a line, an alarm a dot below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = new_figure(4 * len(months), 3.2)
    low = min(min(day.accuracy, day.without) for days in months.values() for day in days) - 0.08
    for place, (name, days) in enumerate(months.items(), start=1):
        axes = plain_axes(figure, 1, len(months), place)
        describe(axes, title=name, x="day")
        axes.set_ylim(low, 1)
        _draw(axes, days, low)
    known = {
        label: line
        for axes in figure.axes
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        known.values(), known, loc="outside lower center", ncols=len(known), fontsize=8, frameon=False
    )
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110, facecolor="white")


def _draw(axes: Any, days: Sequence[Day], low: float) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [day.day for day in days]
    drifted = [day.day for day in days if day.strength]
    if drifted:
        axes.axvspan(drifted[0], numbers[-1], color="0.94", zorder=0)
    axes.plot(numbers, [day.without for day in days], color=COLOURS[1], label="accuracy without retraining")
    axes.plot(numbers, [day.accuracy for day in days], color=COLOURS[0], label="accuracy with retraining")
    for place, day in enumerate(day for day in days if day.decision == "promote"):
        axes.axvline(day.day, color=INK, linewidth=0.8, linestyle=":", label=None if place else "promotion")
    alarms = [day.day for day in days if day.is_alarm]
    axes.plot(alarms, [low + 0.02] * len(alarms), ".", color=COLOURS[3], markersize=4, label="drift found")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))

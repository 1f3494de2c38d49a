"""What all plots share: a quiet figure, the colours, and class names that matplotlib can draw.

`Figure` is used as an object, without pyplot, whose state is shared between threads. Plots are drawn dark
on a transparent ground; in dark mode the page inverts them and turns their hues back.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

# Okabe and Ito's palette: told apart by colour-blind readers; the yellow, too pale for lines, left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, FAINT = "#333333", "#d5d8dc"
FONT_SIZE = 9.5
MAX_NAME = 16


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib Figure of that many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain_axes(figure: Any, *position: Any) -> Any:
    """Axes without a box, with a faint grid behind the data."""
    axes = figure.add_subplot(*position)
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.grid(color=FAINT, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    style_text(axes)
    return axes


def style_text(axes: Any) -> None:
    """One size and colour for the ticks."""
    axes.tick_params(labelsize=FONT_SIZE - 0.5, colors=INK, length=0, which="both")


def describe(axes: Any, *, title: str = "", x: str = "", y: str = "") -> None:
    """Sets title and labels in the report's type."""
    axes.set_title(title, fontsize=FONT_SIZE + 1, color=INK, loc="left", pad=10)
    axes.set_xlabel(x, fontsize=FONT_SIZE, color=INK, labelpad=7)
    axes.set_ylabel(y, fontsize=FONT_SIZE, color=INK, labelpad=7)


def legend_below(axes: Any, *, columns: int = 2, title: str = "") -> None:
    """A legend under a figure with one axes, where it covers no data, however high the figure."""
    # The labels of these axes alone: others in it repeat them.
    handles, labels = axes.get_legend_handles_labels()
    legend = axes.figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, title=title, **_legend_style()
    )
    legend.get_title().set(fontsize=FONT_SIZE - 0.5, color=INK)


def legend_above(axes: Any) -> None:
    """A legend in one line over the axes; leave an empty line in the title."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=3, columnspacing=1.4, **_legend_style())


def _legend_style() -> dict[str, Any]:
    return {"frameon": False, "fontsize": FONT_SIZE - 0.5, "labelcolor": INK}


def drawable_names(class_names: Sequence[str]) -> list[str]:
    """Class names as labels: shortened, `$` taken literally, `#index` where the font lacks a letter."""
    return [_drawable(index, name) for index, name in enumerate(class_names)]


def _drawable(index: int, name: str) -> str:
    letters = _letters()
    if not name.strip() or any(ord(letter) not in letters for letter in name):
        return f"#{index}"
    short = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
    return short.replace("$", r"\$")


@cache
def _letters() -> frozenset[int]:
    """Code points of matplotlib's own font; a missing one would be a warning and an empty box."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())

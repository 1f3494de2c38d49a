"""Pictures of the whole data set: class balance, sizes, brightness and sharpness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vision.data_report.contents import DataSummary
from vision.report.class_plots import plot_class_balance
from vision.report.images import PLOT_DPI, Picture, plot
from vision.report.plots import COLOURS, describe, legend_below, new_figure, plain_axes

BINS = 40


def draw_plots(summary: DataSummary, readable: pd.DataFrame) -> tuple[Picture, ...]:
    """The plots for which there is something to draw; `readable` are the readable rows of the manifest."""
    if readable.empty or not summary.classes:
        return ()
    pictures = (_balance(summary), _sizes(summary, readable), _brightness(readable), _sharpness(readable))
    return tuple(picture for picture in pictures if picture)


def _balance(summary: DataSummary) -> Picture:
    names = [images.name for images in summary.classes]
    drawn = {split: [counts[name] for name in names] for split, counts in summary.splits.items()}
    return plot_class_balance(drawn or {"images": [images.count for images in summary.classes]}, names)


def _sizes(summary: DataSummary, readable: pd.DataFrame) -> Picture | None:
    """A dot for each size, the larger the more images have it; None where all are of one size."""
    sizes = readable.groupby(["width", "height"]).size()
    if len(sizes) == 1:
        return None
    widths, heights = (sizes.index.get_level_values(side).to_numpy() for side in ("width", "height"))
    figure = new_figure(5.2, 4.2)
    figure.set_dpi(PLOT_DPI)  # of the dots, which are pixels in the SVG: there may be thousands
    axes = plain_axes(figure)
    area = 14 + 300 * sizes.to_numpy() / len(readable)
    axes.scatter(widths, heights, s=area, color=COLOURS[0], alpha=0.45, linewidth=0, rasterized=True)
    _from_zero_or_log(axes, widths, heights)
    describe(axes, title="Image sizes", x="width in pixels", y="height in pixels")
    width, height = summary.sizes["width"], summary.sizes["height"]
    return plot(
        figure,
        f"Image sizes: width {width.min} to {width.max} pixels, median {width.median:g},"
        f" height {height.min} to {height.max}, median {height.median:g}",
    )


def _from_zero_or_log(axes: Any, widths: Any, heights: Any) -> None:
    """Sizes that differ more than tenfold would lie on top of each other."""
    if max(widths.max() / widths.min(), heights.max() / heights.min()) <= 10:
        axes.set(xlim=(0, widths.max() * 1.08), ylim=(0, heights.max() * 1.08))
        return
    axes.set(xscale="log", yscale="log")
    _plain_ticks(axes.xaxis, widths)
    _plain_ticks(axes.yaxis, heights)


def _plain_ticks(axis: Any, values: Any) -> None:
    """200 and not 2 x 10^2; steps of 1, 2, 5 where powers of ten would be too few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    is_wide = values.max() > 300 * values.min()
    axis.set_major_locator(LogLocator(subs=(1,) if is_wide else (1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_locator(NullLocator())


def _brightness(readable: pd.DataFrame) -> Picture:
    flagged = {"dark": readable["is_dark"], "overexposed": readable["is_light"]}
    edges = np.linspace(0, 1, BINS + 1)
    return _histogram(readable["brightness"], edges, flagged, "Brightness", "mean luminance, 0 to 1")


def _sharpness(readable: pd.DataFrame) -> Picture:
    values = readable["sharpness"].clip(lower=0.1)  # an image of one colour has 0, which no log scale shows
    edges = np.geomspace(values.min() * 0.99, values.max() * 1.01, BINS + 1)
    label = "variance of the Laplacian, small is blurred"
    return _histogram(values, edges, {"blurred": readable["is_blurry"]}, "Sharpness", label)


def _histogram(
    values: pd.Series[Any], edges: Any, flagged: dict[str, pd.Series[Any]], title: str, label: str
) -> Picture:
    """Bars, those of the flagged images in colours of their own."""
    kinds = {name: mask for name, mask in flagged.items() if mask.any()}
    others = ~np.logical_or.reduce([mask.to_numpy() for mask in flagged.values()])
    axes = plain_axes(figure := new_figure(5.2, 3.8))
    parts = [values[others], *(values[mask] for mask in kinds.values())]
    names = ["not flagged", *kinds]
    axes.hist(parts, bins=edges, stacked=True, color=COLOURS[: len(parts)], label=names)
    if edges[0] > 0:
        axes.set_xscale("log")
        _plain_ticks(axes.xaxis, edges)
    axes.grid(visible=False, axis="x")
    describe(axes, title=title, x=label, y="images")
    if kinds:
        legend_below(axes, columns=3)
    told = ", ".join(f"{int(mask.sum())} {name}" for name, mask in kinds.items()) or "none flagged"
    return plot(figure, f"{title} of the images: median {values.median():.3g}, {told}")

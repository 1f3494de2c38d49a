"""Numbers and sets of labels in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from vision.intervals import MetricEstimate

RUNTIME_NAMES = {"keras": "Keras", "litert": "LiteRT", "openvino": "OpenVINO"}
NARROW_SPACE = "\u202f"
TO = "\u2060–\u2060"  # a dash at which no line breaks


def percent(share: float, decimals: int = 1) -> str:
    """ "99.2 %"; never rounded to 100.0 % or 0.0 % where it is not."""
    step = 10.0 ** -(decimals + 2)
    if 0 < share < 1:
        share = min(max(share, step), 1 - step)
    return f"{100 * share:.{decimals}f}{NARROW_SPACE}%"


def precision_in_words(precision: str) -> str:
    """ "int8, float stem" of int8_float_stem."""
    return precision.replace("_", ", ", 1).replace("_", " ")


def runs_as(runtime: str, precision: str) -> str:
    """ "OpenVINO int8, float stem", of what is known."""
    return " ".join(filter(None, (RUNTIME_NAMES.get(runtime, runtime), precision_in_words(precision))))


def interval(estimate: MetricEstimate, *, is_share: bool) -> str:
    """ "97.6-99.7 %", or a dash where the interval has no width and so says nothing."""
    if estimate.low == estimate.high:
        return "–"
    if is_share:
        return f"{percent(estimate.low).removesuffix(NARROW_SPACE + '%')}{TO}{percent(estimate.high)}"
    return f"{number(estimate.low)}{TO}{number(estimate.high)}"


def interval_rounded(estimate: MetricEstimate) -> str:
    """ "98-99": the interval of a share in whole per cent, for cells that name their unit once."""
    low, high = (percent(end, 0).removesuffix(NARROW_SPACE + "%") for end in (estimate.low, estimate.high))
    return f"{low}{TO}{high}"


def probability(p_value: float) -> str:
    """ "0.031"; "< 0.001" where it is less than that."""
    return f"<{NARROW_SPACE}0.001" if p_value < 0.001 else f"{p_value:.3f}"


def likely(estimate: MetricEstimate) -> str:
    """ "very likely 97.6-99.7 %": the 95 % interval of a share for those who know no intervals."""
    return f"very likely {interval(estimate, is_share=True)}"


def points(difference: float) -> str:
    """ "+1.4": percentage points with their sign."""
    return _with_minus(f"{100 * difference:+.1f}")


def signed(difference: float) -> str:
    """ "+0.0312": a difference of figures that are no shares."""
    return _with_minus(f"{difference:+.4f}")


def _with_minus(text: str) -> str:
    return text.replace("-", "\u2212")


def value(estimate: MetricEstimate, *, is_share: bool) -> str:
    return percent(estimate.value) if is_share else number(estimate.value)


def number(figure: float) -> str:
    """Four decimals; "1.0000" is said of 1 only: a ranking that is nearly perfect is not called perfect."""
    text = f"{figure:.4f}"
    return "0.9999" if figure < 1 and text == "1.0000" else text


def size(size_bytes: int) -> str:
    """ "820 KB", "3.1 MB"; powers of 1000."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size_bytes >= factor:
            number = size_bytes / factor
            return f"{number:.0f} {unit}" if number >= 100 else f"{number:.1f} {unit}"
    return f"{size_bytes} bytes"


def label_set(names: Sequence[str]) -> str:
    """ "RBC + WBC"; of one class its name."""
    return " + ".join(names) or "no label"


def parameter(setting: str | float | None) -> str:
    """A setting of a trial: "0.00316", "adam", a dash where the trial had none of that name."""
    if setting is None:
        return "–"
    return f"{setting:.3g}" if isinstance(setting, float) else str(setting)

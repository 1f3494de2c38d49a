"""Evidence made by hand, for the tests of reports and for looking at the page."""

from __future__ import annotations

import numpy as np

from vision.cross_validation.scores import CrossValidation, FoldScores
from vision.evidence.parts import Evidence
from vision.intervals import MetricEstimate, wilson_interval
from vision.paired import Flip, PairedComparison
from vision.robustness import DisturbedScore, Robustness
from vision.slices import Slice, SliceTable
from vision.uncertainty.evaluation import SelectivePoint, SetScores, UncertaintyEvaluation

CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "motion_blur", "zoom_blur"),
    *("snow", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
OTHER_STRENGTHS = {
    "re-encoding": ("quality 90", "quality 70", "quality 50", "quality 30", "quality 10"),
    "resizing": ("to 0.75", "to 0.5", "to 0.25"),
    "rotation": ("5 degrees", "15 degrees", "30 degrees", "45 degrees", "90 degrees"),
}


def a_slice(right: int, images: int, *conditions: tuple[str, str], p_value: float = 0.5) -> Slice:
    accuracy = wilson_interval(right, images)
    return Slice(conditions=conditions, images=images, accuracy=accuracy, rest=0.92, p_value=p_value)


def slices(values: int = 12) -> SliceTable:
    dark = a_slice(85, 120, ("brightness", "darkest quarter: 0.05 to 0.21"), p_value=0.0004)
    sources = [a_slice(90 + place, 100, ("source", f"lab {place}")) for place in range(min(values, 10))]
    labels = [a_slice(50 + place % 50, 100, ("label", f"class {place}")) for place in range(values)]
    further = [a_slice(93, 100, (f"property_{place}", "yes")) for place in range(6)]
    pair = a_slice(21, 40, ("brightness", "darkest quarter: 0.05 to 0.21"), ("source", "lab <b>"))
    return SliceTable(slices=(*sources, *labels, dark, *further), worst=(pair, dark))


def uncertainty(classes: int = 10, *, images: int = 500) -> UncertaintyEvaluation:
    def sets(method: str, promised: float, covered: int) -> SetScores:
        sizes = (3, 380, 80, *([37] + [0] * (classes - 3) if classes > 2 else ()))
        per_class = {f"class {place}": 0.8 + 0.02 * (place % 10) for place in range(classes)}
        coverage = wilson_interval(covered, images)
        return SetScores(
            method=method,
            promised=promised,
            coverage=coverage,
            mean_size=1.31,
            sizes=sizes,
            per_class=per_class,
        )

    shares = np.linspace(0.01, 1, 100)
    return UncertaintyEvaluation(
        target_error=0.01,
        automated=wilson_interval(315, 500),
        error=wilson_interval(2, 315),
        sets=(sets("lac", 0.9, 455), sets("aps", 0.95, 478), sets("raps", 0.95, 440)),
        curve=tuple(SelectivePoint(coverage=float(c), error=float(0.04 * c**3)) for c in shares),
        ece_before=0.081,
        ece_after=0.012,
        doubt={"confidence": 0.91, "energy": 0.84},
    )


def robustness() -> Robustness:
    scores = [
        _disturbed(name, f"severity {severity}", 0.93 - 0.012 * severity * (place + 1))
        for place, name in enumerate(CORRUPTIONS)
        for severity in range(1, 6)
    ]
    scores += [
        _disturbed(name, strength, 0.93 - 0.06 * place)
        for name, strengths in OTHER_STRENGTHS.items()
        for place, strength in enumerate(strengths)
    ]
    return Robustness(images=500, clean=wilson_interval(465, 500), scores=tuple(scores))


def _disturbed(name: str, strength: str, share: float) -> DisturbedScore:
    return DisturbedScore(
        disturbance=name, strength=strength, accuracy=wilson_interval(round(share * 500), 500)
    )


def cross_validation() -> CrossValidation:
    def scores(*values: float) -> FoldScores:
        return FoldScores(values=values, mean=float(np.mean(values)), spread=float(np.std(values, ddof=1)))

    return CrossValidation(
        folds=5,
        images=2000,
        scores={
            "accuracy": scores(0.881, 0.903, 0.913, 0.899, 0.904),
            "macro_f1": scores(0.871, 0.893, 0.915, 0.889, 0.901),
            "ece": scores(0.021, 0.013, 0.018, 0.011, 0.017),
            "log_loss": scores(0.31, 0.29, 0.26, 0.30, 0.28),
        },
        pooled={"accuracy": wilson_interval(1800, 2000)},
        label_issues=23,
    )


def comparison(before: str = "champion 3", *, verdict: str = "better", flips: int = 40) -> PairedComparison:
    def flip(row: int) -> Flip:
        true, wrong = ("class 1",), ("class 2",)
        is_lost = row % 2 == 0
        return Flip(row=row, true=true, before=true if is_lost else wrong, after=wrong if is_lost else true)

    return PairedComparison(
        before=before,
        after="this model",
        images=2485,
        both_right=2200,
        differences={
            "accuracy": MetricEstimate(value=0.0141, low=0.005, high=0.0229),
            "macro_f1": MetricEstimate(value=-0.002, low=-0.011, high=0.007),
            "log_loss": MetricEstimate(value=-0.0312, low=-0.05, high=-0.012),
        },
        only_before_right=26,
        only_after_right=61,
        p_value=0.0002 if verdict == "better" else 0.31,
        verdict=verdict,
        images_needed=None if verdict == "better" else 8731,
        flips=tuple(map(flip, range(flips))),
    )


def evidence(classes: int = 10) -> Evidence:
    return Evidence(
        slices=slices(classes),
        uncertainty=uncertainty(classes),
        robustness=robustness(),
        cross_validation=cross_validation(),
        champion=comparison(),
        compression=comparison("Keras float32", verdict="too few images to tell"),
    )

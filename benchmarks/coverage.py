"""Do prediction sets, temperature and abstention keep their promises: 20 random divisions of the test images.

A half of the test images sets the rule, the other half judges it: a measurement of the method, from which no
model is made.
"""

from __future__ import annotations

from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchmarks.champions import kept_champion
from benchmarks.record import table, write_section
from vision.calibration import fit_temperature, halves
from vision.classifier import Probabilities, softmax
from vision.config import CalibrateConfig
from vision.metrics import ece
from vision.runtimes import Logits
from vision.task import Labels
from vision.uncertainty.abstention import Answers, fit_abstention
from vision.uncertainty.conformal import fit_sets

NAMES = ("cifar10", "grocery")
METHODS = ("lac", "aps", "raps")
LEVELS = (0.9, 0.95)
ERRORS = (0.01, 0.05)
SPLITS = 20


def main() -> None:
    coverages: list[tuple[object, ...]] = []
    errors: list[tuple[object, ...]] = []
    automated: list[tuple[object, ...]] = []
    for name in NAMES:
        champion, prepared = kept_champion(name)
        logits, labels = champion.logits(prepared.images("test")), prepared.labels("test")
        names = champion.class_names
        config = CalibrateConfig()
        for level in LEVELS:
            for method in METHODS:
                rule = config.model_copy(update={"sets": method, "coverage": level})
                coverages.append((name, method, level, *_over_splits(logits, labels, names, rule)))
        errors.append((name, *_calibration_errors(logits, labels)))
        automated += [(name, error, *_automated(logits, labels, error)) for error in ERRORS]
    head = ("data", "sets", "promised", "mean coverage", "range", "splits within", "mean classes a set")
    shares = ("data", "error allowed", "need no person, mean", "range", "error among them", "splits within")
    tables = ((head, coverages), (("data", "ECE before", "ECE after"), errors), (shares, automated))
    write_section("coverage", "\n\n".join(table(*each) for each in tables))


def _over_splits(
    logits: Logits, labels: Labels, class_names: tuple[str, ...], rule: CalibrateConfig
) -> tuple[object, ...]:
    found = [_one_split(logits, labels, class_names, rule, seed) for seed in range(SPLITS)]
    coverages, sizes, inside = zip(*found, strict=True)
    extremes = f"{min(coverages):.3f} to {max(coverages):.3f}"
    return f"{fmean(coverages):.4f}", extremes, f"{sum(inside)} of {SPLITS}", f"{fmean(sizes):.2f}"


def _one_split(
    logits: Logits, labels: Labels, class_names: tuple[str, ...], rule: CalibrateConfig, seed: int
) -> tuple[float, float, bool]:
    """Coverage, mean size, and whether the coverage lies in the 95 % interval that chance allows it."""
    setting, judging = halves(len(labels), seed)
    probabilities = _calibrated(logits, labels, setting)
    # As in calibrate_classifier: what fits the temperature does not also make the promise.
    promising = setting[len(setting) // 2 :]
    sets = fit_sets(probabilities[promising], labels[promising], rule, class_names=class_names, seed=seed)
    assert sets is not None
    held = sets.apply(probabilities[judging])
    coverage = float(held[np.arange(len(judging)), labels[judging]].mean())
    low, high = _allowed(rule.coverage, len(promising), len(judging))
    return coverage, float(held.sum(axis=1).mean()), low <= coverage <= high


def _calibrated(logits: Logits, labels: Labels, setting: NDArray[np.intp]) -> Probabilities:
    fitting = setting[: len(setting) // 2]
    return softmax(logits / np.float32(fit_temperature(logits[fitting], labels[fitting])))


def _allowed(level: float, promising: int, judging: int) -> tuple[float, float]:
    """Of the coverage of `judging` images by a rule of `promising`: beta-binomial (Angelopoulos & Bates 2021,
    section 3.2)."""
    from scipy.stats import betabinom

    missed = int(np.floor((promising + 1) * (1 - level)))
    low, high = betabinom.interval(0.95, judging, promising + 1 - missed, missed)
    return low / judging, high / judging


def _automated(logits: Logits, labels: Labels, error: float) -> tuple[object, ...]:
    """Share of the judging images that are answered without a person, and of these the wrong ones."""
    shares, errors = [], []
    for seed in range(SPLITS):
        setting, judging = halves(len(labels), seed)
        probabilities = _calibrated(logits, labels, setting)
        answers = Answers(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
        learning, testing = setting[: len(setting) // 2], setting[len(setting) // 2 :]
        given = answers[judging].confidence >= fit_abstention(answers[learning], answers[testing], error)
        shares.append(float(given.mean()))
        errors.append(float((~answers[judging].is_right[given]).mean()) if given.any() else 0.0)
    extremes = f"{min(shares):.3f} to {max(shares):.3f}"
    within = sum(wrong <= error for wrong in errors)
    return f"**{fmean(shares):.3f}**", extremes, f"{fmean(errors):.4f}", f"{within} of {SPLITS}"


def _calibration_errors(logits: Logits, labels: Labels) -> tuple[str, str]:
    """Means over the splits, of the half that did not fit the temperature."""
    before, after = [], []
    for seed in range(SPLITS):
        setting, judging = halves(len(labels), seed)
        before.append(ece(labels[judging], softmax(logits[judging])))
        after.append(ece(labels[judging], _calibrated(logits, labels, setting)[judging]))
    return f"{fmean(before):.4f}", f"{fmean(after):.4f}"


if __name__ == "__main__":
    main()

"""How the CIFAR-10 champions hold out on worse images, and whether they notice images of something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from benchmarks.champions import kept_champion
from benchmarks.datasets import DATA
from benchmarks.record import table, write_section
from vision.calibration import ENERGY_TEMPERATURE
from vision.classifier import ImageClassifier
from vision.image_array import Pixels
from vision.intervals import MetricEstimate
from vision.parallel import map_in_threads
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.robustness import Robustness
from vision.robustness.corruptions import CORRUPTIONS
from vision.robustness.evaluation import draw_images, evaluate_robustness
from vision.runtimes import Logits
from vision.uncertainty.rules import energy

NAMES = ("cifar10-fast", "cifar10")  # of the workspaces and of their models
IMAGES = 1000
SEED = 1
TEMPERATURES = (0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Detection:
    """Areas under the ROC curve, 0..1: how well a score tells flowers from the classes that were learned."""

    energy: float
    energy_at_one: float
    top_probability: float


def main() -> None:
    champions = {name: _tested(name) for name in NAMES}
    measured = {
        name: evaluate_robustness(classifier, test.images, test.labels, limit=IMAGES, seed=SEED)
        for name, (classifier, test) in champions.items()
    }
    detected = {name: detect_flowers(classifier, test) for name, (classifier, test) in champions.items()}
    parts = (robustness_table(measured), detection_table(detected), _temperatures())
    write_section("robustness", "\n\n".join(parts))


def _temperatures() -> str:
    """What chooses the temperature of the energy: validation images, and flowers not in the table above."""
    areas = []
    for name in NAMES:
        champion, prepared = kept_champion(name)
        parts = (prepared.images("validation")[:], read_flowers(champion.preprocessing, first=IMAGES))
        logits = np.concatenate([champion.logits(part) for part in parts])
        areas.append([_area(logits, len(parts[0]), temperature) for temperature in TEMPERATURES])
    rows = [
        (f"T = {t:g}", *(f"{area:.4f}" for area in row))
        for t, row in zip(TEMPERATURES, zip(*areas, strict=True), strict=True)
    ]
    return table(("other flowers among validation images, AUROC of the energy", *NAMES), rows)


def _area(logits: Logits, known: int, temperature: float) -> float:
    from sklearn.metrics import roc_auc_score

    is_flower = np.arange(len(logits)) >= known
    return float(roc_auc_score(is_flower, energy(logits, "multi_class", temperature=temperature)))


def _tested(name: str) -> tuple[ImageClassifier, LabelledImages]:
    champion, prepared = kept_champion(name)
    return champion, prepared.labelled("test")


def robustness_table(measured: Mapping[str, Robustness]) -> str:
    """A row a disturbance, the mean over its strengths; a column a model."""
    columns = list(measured.values())
    others = dict.fromkeys(row.disturbance for row in columns[0].scores if row.disturbance not in CORRUPTIONS)
    rows = [
        ("none", *(_with_interval(column.clean) for column in columns)),
        *((name, *(f"{_mean(column, name):.4f}" for column in columns)) for name in CORRUPTIONS),
        ("**mean of these corruptions**", *(f"**{column.mean_accuracy:.4f}**" for column in columns)),
        *((name, *(f"{_mean(column, name):.4f}" for column in columns)) for name in others),
    ]
    return table(("disturbance", *measured), rows)


def _with_interval(accuracy: MetricEstimate) -> str:
    return f"{accuracy.value:.4f} ({accuracy.low:.4f} to {accuracy.high:.4f})"


def _mean(robustness: Robustness, name: str) -> float:
    return fmean(score.accuracy.value for score in robustness.scores if score.disturbance == name)


def detect_flowers(classifier: ImageClassifier, test: LabelledImages) -> Detection:
    """Test images of the classes that were learned against as many photos of flowers, which none of them is.

    Energy: Liu et al. 2020. Top probability: Hendrycks and Gimpel 2017, here calibrated.
    """
    from sklearn.metrics import roc_auc_score

    known = classifier.logits(test.images[draw_images(test.labels, IMAGES, seed=SEED)])
    strange = classifier.logits(read_flowers(classifier.preprocessing))
    logits = np.concatenate([known, strange])
    is_flower = np.arange(len(logits)) >= len(known)
    doubt = -classifier.to_probabilities(logits).max(axis=1)
    return Detection(
        energy=_area(logits, len(known), ENERGY_TEMPERATURE),
        energy_at_one=_area(logits, len(known), 1.0),
        top_probability=float(roc_auc_score(is_flower, doubt)),
    )


def read_flowers(preprocessing: Preprocessing, *, first: int = 0) -> Pixels:
    paths = sorted((DATA / "flowers").rglob("*.jpg"))
    if not paths:
        raise SystemExit(f"{DATA / 'flowers'} is not there: nothing to measure")
    drawn = np.random.default_rng(SEED).permutation(len(paths))[first : first + IMAGES]
    files = [paths[place].read_bytes() for place in drawn]
    return np.stack(map_in_threads(preprocessing.apply, files, description="flowers"))


def detection_table(detected: Mapping[str, Detection]) -> str:
    """A row a score; a column a model."""
    rows = [
        (f"energy, T = {ENERGY_TEMPERATURE}", *(f"{found.energy:.4f}" for found in detected.values())),
        ("energy, T = 1", *(f"{found.energy_at_one:.4f}" for found in detected.values())),
        ("top probability", *(f"{found.top_probability:.4f}" for found in detected.values())),
    ]
    return table(("flowers among CIFAR-10, AUROC", *detected), rows)


if __name__ == "__main__":
    main()

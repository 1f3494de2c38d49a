"""What evaluate_robustness says of classifiers whose answers are known, and which images it draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from vision.classifier import ImageClassifier
from vision.errors import DataError
from vision.intervals import MetricEstimate, wilson_interval
from vision.preprocessing import Preprocessing
from vision.robustness import DisturbedScore, Robustness
from vision.robustness.disturbances import DISTURBANCES
from vision.robustness.evaluation import draw_images, evaluate_robustness

PREPROCESSING = Preprocessing(image_size=(16, 16))


@dataclass
class BrightnessRuntime:
    """Class 1 (label 0 of a multi-label classifier) where the mean is above 128, as sure as it is far."""

    classes: int = 2
    name: str = "litert"
    precision: str = "float32"

    def logits(self, images: np.ndarray) -> np.ndarray:
        above = (images.mean(axis=(1, 2, 3)) - 128) / 10
        logits = np.full((len(images), self.classes), -50, np.float32)
        logits[:, 0], logits[:, 1] = -above, above
        return logits


def textured(levels: list[int]) -> np.ndarray:
    """Images (N, 16, 16, 3) of these means: a coarse chequer of plus and minus ten."""
    board = np.kron(np.indices((4, 4)).sum(axis=0) % 2, np.ones((4, 4))) * 20 - 10
    return (np.array(levels)[:, None, None, None] + board[None, :, :, None]).repeat(3, -1).astype(np.uint8)


def classifier(**options: object) -> ImageClassifier:
    runtime = BrightnessRuntime(int(options.pop("classes", 2)))  # type: ignore[call-overload]
    names = tuple(map(str, range(runtime.classes)))
    return ImageClassifier(runtime, PREPROCESSING, names, **options)  # type: ignore[arg-type]


def evaluate(labels: np.ndarray, limit: int = 500, **options: object) -> Robustness:
    images = textured([110, 160] * (len(labels) // 2) or [110])
    return evaluate_robustness(classifier(**options), images, labels, limit=limit, seed=1)


def accuracies(robustness: Robustness, name: str) -> list[float]:
    return [score.accuracy.value for score in robustness.scores if score.disturbance == name]


def test_brightness_reader_fails_under_brightness_alone() -> None:
    """CIFAR-10-C adds 13 to 77 levels: a mean of 110 stays below 128 at the first severity only."""
    robustness = evaluate(np.array([0, 1] * 5))
    assert robustness.clean == wilson_interval(10, 10)
    assert accuracies(robustness, "brightness") == [1, 0.5, 0.5, 0.5, 0.5]
    for name in ("pixelate", "contrast", "defocus_blur", "rotation", "rescaling", "jpeg_quality"):
        assert set(accuracies(robustness, name)) == {1.0}, name


def test_scores_have_wilsons_intervals_and_the_order_of_the_table() -> None:
    robustness = evaluate(np.array([0, 1] * 5))
    received = [(score.disturbance, score.strength) for score in robustness.scores]
    assert received == [(row.name, row.strength) for row in DISTURBANCES]
    halved = next(score for score in robustness.scores if score.accuracy.value == 0.5)
    assert halved.accuracy == wilson_interval(5, 10)


def test_disturbances_are_named_once_by_rising_strength() -> None:
    cells = [(row.name, row.strength) for row in DISTURBANCES]
    assert len(set(cells)) == len(cells) == 14 * 5 + 5 + 3 + 5
    assert [strength for name, strength in cells if name == "fog"] == [f"severity {n}" for n in range(1, 6)]
    assert [strength for name, strength in cells if name == "rescaling"] == [
        "75% and back",
        "50% and back",
        "25% and back",
    ]


def test_multi_label_accuracy_is_of_images_wholly_right() -> None:
    """Label 0 says dark, label 1 bright; at a threshold of 0.9 a probability of 0.86 is not enough."""
    labels = np.array([[1, 0], [0, 1]] * 5)
    assert evaluate(labels, task="multi_label").clean.value == 1
    # 110 is 1.8 below in logits: 1 / (1 + exp(-1.8)) = 0.86. 160 is 3.2 above: 0.96.
    strict = evaluate(labels, task="multi_label", thresholds=(0.9, 0.9))
    assert strict.clean.value == 0.5


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        ([1, 0] * 3, 2, 0.0),  # all wrong
        ([0, 1] * 3, 2, 1.0),  # all right
        ([0] * 6, 2, 0.5),  # one class absent
        ([0], 2, 1.0),  # one image
        ([0, 1] * 3, 1000, 1.0),
    ],
)
def test_degenerate_sets(labels: list[int], classes: int, expected: float) -> None:
    robustness = evaluate(np.array(labels), classes=classes)
    assert robustness.clean.value == expected
    assert robustness.images == len(labels)
    assert all(0 <= row.accuracy.low <= row.accuracy.high <= 1 for row in robustness.scores)


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match=r"received 0 images and 0 labels.*set config\.split\.test"):
        evaluate_robustness(classifier(), textured([]), np.zeros(0, np.int64), limit=5, seed=1)


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="received 2 images and 1 labels"):
        evaluate_robustness(classifier(), textured([1, 2]), np.zeros(1, np.int64), limit=5, seed=1)
    with pytest.raises(DataError, match="do not fit 2 classes"):
        evaluate_robustness(classifier(), textured([10, 20]), np.array([0, 2]), limit=5, seed=1)


def test_same_seed_gives_the_same_and_json_loses_nothing() -> None:
    labels = np.array([0, 1] * 10)
    first, second = evaluate(labels, limit=8), evaluate(labels, limit=8)
    assert first == second == Robustness.model_validate_json(first.model_dump_json())
    assert first.images == 8


def test_mean_accuracy_is_of_corruptions_alone() -> None:
    def score(name: str, value: float) -> DisturbedScore:
        accuracy = MetricEstimate(value=value, low=0, high=1)
        return DisturbedScore(disturbance=name, strength="1", accuracy=accuracy)

    scores = (score("fog", 0.2), score("fog", 0.4), score("snow", 0.9), score("rotation", 0.1))
    robustness = Robustness(images=1, clean=MetricEstimate(value=1, low=0, high=1), scores=scores)
    assert robustness.mean_accuracy == pytest.approx(0.5)


def test_draw_gives_each_class_its_share() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    rows = draw_images(labels, 100, seed=1)
    assert len(set(rows.tolist())) == 100 and (np.diff(rows) > 0).all()
    assert np.abs(np.bincount(labels[rows]) - [60, 30, 10]).max() <= 1


def test_draw_of_sets_of_labels_gives_each_set_its_share() -> None:
    labels = np.repeat([[1, 0], [1, 1]], [80, 20], axis=0)
    assert np.abs(labels[draw_images(labels, 50, seed=1)].sum(axis=0) - [50, 10]).max() <= 1


def test_draw_takes_all_where_the_limit_allows() -> None:
    assert draw_images(np.array([2, 0, 1]), 500, seed=1).tolist() == [0, 1, 2]


def test_draw_is_seeded() -> None:
    labels = np.arange(1000) % 7
    first, same, other = (draw_images(labels, 50, seed=seed).tolist() for seed in (1, 1, 2))
    assert first == same != other


def test_draw_does_not_favour_or_forget_the_rare() -> None:
    """One class of 11 images and 999 of 1: a tenth of either are drawn."""
    labels = np.concatenate([np.zeros(11, int), np.arange(1, 1000)])
    drawn = np.stack([np.isin(np.arange(1010), draw_images(labels, 101, seed=s)) for s in range(200)])
    assert drawn.sum(axis=1).tolist() == [101] * 200
    assert drawn[:, :11].mean() == pytest.approx(0.1, abs=0.02)
    assert drawn[:, 11:].mean() == pytest.approx(0.1, abs=0.01)

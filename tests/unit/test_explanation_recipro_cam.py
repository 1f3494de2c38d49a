"""ReciproCAM on heads so simple that the maps can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vision.explanation import recipro_cam as module
from vision.explanation.recipro_cam import MAX_PLACES, recipro_cam
from vision.runtimes import SplitModel

GAUSSIAN = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]  # times 1/16


def split_of(features: np.ndarray, *, bias: float = 0.0) -> SplitModel:
    """Whatever the image, these feature maps (h, w, C); the second logit is their sum and the bias."""

    def head(maps: np.ndarray) -> np.ndarray:
        total = maps.sum(axis=(1, 2, 3)) + bias
        return np.stack([np.zeros_like(total), total], axis=1).astype(np.float32)

    return SplitModel(lambda images: np.repeat(features[None], len(images), axis=0).astype(np.float32), head)


def image_of(side: int, count: int = 1) -> np.ndarray:
    return np.zeros((count, side, side, 3), np.uint8)


@pytest.mark.parametrize("task", ["multi_class", "multi_label"])
@pytest.mark.parametrize("bias", [0.0, 7.0])
def test_map_is_the_gaussian_around_the_only_feature(task, bias) -> None:
    """16 in the middle: each place sees it through its own Gaussian; the bias speaks for no place."""
    features = np.zeros((3, 3, 1))
    features[1, 1] = 16
    (found,) = recipro_cam(split_of(features, bias=bias), image_of(3), np.array([1]), task=task)
    assert found == pytest.approx(np.array(GAUSSIAN, np.float32), abs=1e-5)


def test_gaussian_ends_at_the_border() -> None:
    features = np.zeros((2, 2, 1))
    features[0, 0] = 16
    (found,) = recipro_cam(split_of(features), image_of(2), np.array([1]))
    assert found == pytest.approx(np.array([[4, 2], [2, 1]], np.float32), abs=1e-5)


def test_what_speaks_for_one_class_speaks_against_the_other() -> None:
    features = np.full((3, 3, 1), 1.0)
    maps = recipro_cam(split_of(features), image_of(3, count=2), np.array([0, 1]))
    assert (maps[0] < 0).all()
    assert maps[1] == pytest.approx(-maps[0])


def test_saturated_answers_still_have_a_map() -> None:
    """At logits of thousands all probabilities are 0 or 1; log-odds still differ from place to place."""
    features = np.full((3, 3, 1), 1e4)
    features[1, 1] = 1e5
    (found,) = recipro_cam(split_of(features), image_of(3), np.array([1]))
    assert np.unravel_index(found.argmax(), found.shape) == (1, 1)


def test_fine_map_is_asked_in_blocks() -> None:
    """32 x 32 cells are 16 x 16 blocks of 2 x 2: cell (10, 20) is in block (5, 10), pixels 10..11, 20..21."""
    features, asked = np.zeros((32, 32, 1)), []
    features[10, 20] = 1.0
    split = split_of(features)
    counting = SplitModel(split.features, lambda maps: asked.append(len(maps)) or split.head(maps))
    (found,) = recipro_cam(counting, image_of(32), np.array([1]))
    assert sum(asked) == MAX_PLACES**2 + 1
    assert found[10:12, 20:22] == pytest.approx(found.max(), rel=0.5)
    assert found[16:, :].max() == 0


def test_many_numbers_are_asked_in_batches(monkeypatch) -> None:
    features = np.random.default_rng(0).normal(size=(4, 5, 3))
    together = recipro_cam(split_of(features), image_of(20), np.array([1]))
    monkeypatch.setattr(module, "MAX_NUMBERS", 1)
    assert recipro_cam(split_of(features), image_of(20), np.array([1])) == pytest.approx(together, abs=1e-5)

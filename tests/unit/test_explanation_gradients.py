"""The weights of Grad-CAM and Grad-CAM++, worked out by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from vision.explanation.gradients import WEIGHTS, gradient_maps
from vision.training.averaging import mirrored


def weights(method: str, features: list[float], gradients: list[float]) -> float:
    """Of one channel on a map of one row."""
    row = [np.array(values, np.float32).reshape(1, 1, -1, 1) for values in (features, gradients)]
    return float(WEIGHTS[method](*map(tf.constant, row))[0, 0, 0, 0])


@pytest.mark.parametrize(
    ("features", "gradients", "expected"),
    [
        # Equation 19: each 1 / (2 + 4 * 1) = 1/6, times a gradient of 1, twice.
        ([1, 3], [1, 1], 1 / 3),
        # 4 / (8 + 4 * 8) = 0.1, times 2; where the gradient is 0, alpha is 0 / 0 and counts as 0.
        ([1, 3], [2, 0], 0.2),
        # Equation 5 takes positive gradients only: 1 / (2 + 4 * 1), and nothing of the other.
        ([1, 3], [1, -1], 1 / 6),
        ([0, 0], [0, 0], 0.0),
    ],
)
def test_grad_cam_pp_weighs_by_equation_19(features, gradients, expected) -> None:
    assert weights("grad_cam_pp", features, gradients) == pytest.approx(expected)


def test_grad_cam_weighs_by_the_mean_gradient() -> None:
    assert weights("grad_cam", [1, 3], [2, -1]) == pytest.approx(0.5)


@pytest.mark.parametrize("method", WEIGHTS)
def test_of_a_mirrored_model_the_mean_over_both_views_is_shown(method: str) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    features = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(features)))
    images, classes = (
        np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8),
        np.array([0, 1, 2, 0, 1]),
    )
    seen = gradient_maps(mirrored(model, task="multi_class"), images, classes, weigh=WEIGHTS[method])
    plain = gradient_maps(model, images, classes, weigh=WEIGHTS[method])
    flipped = gradient_maps(model, images[:, :, ::-1], classes, weigh=WEIGHTS[method])
    assert seen is not None and plain is not None and flipped is not None
    assert not np.allclose(plain, flipped[:, :, ::-1])
    np.testing.assert_allclose(seen, (plain + flipped[:, :, ::-1]) / 2, 1e-5)


@pytest.mark.parametrize("method", WEIGHTS)
def test_large_logits_do_not_overflow(method: str) -> None:
    """exp(1000) is infinite in float32: Grad-CAM++'s score is never computed."""
    inputs = keras.Input((8, 8, 3))
    features = keras.layers.Conv2D(2, 1, kernel_initializer="ones")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    model = keras.Model(inputs, keras.layers.Dense(2, kernel_initializer="ones")(pooled))
    images = np.full((1, 8, 8, 3), 255, np.uint8)
    maps = gradient_maps(model, images, np.array([0]), weigh=WEIGHTS[method])
    assert maps is not None
    assert np.isfinite(maps).all() and (maps > 0).all()

"""Inside `quick_layers` a frozen batch norm is part of its convolution, and nothing else changes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests.unit.training_steps import assert_half_precision_stays, images, one_step, operations
from vision.training.folded_batch_norm import frozen_pairs
from vision.training.precision import computing_in
from vision.training.quick_layers import quick_layers

INPUTS = (6, 6, 3)


def normalised(convolution: keras.Layer, norm: keras.Layer) -> keras.Model:
    """With weights that are not those of the start."""
    inputs = keras.Input(INPUTS)
    model = keras.Model(inputs, norm(convolution(inputs)))
    random = np.random.default_rng(2)
    model.set_weights([random.uniform(0.5, 1.5, value.shape) for value in model.get_weights()])
    return model


def frozen(**options: Any) -> keras.Layer:
    return layers.BatchNormalization(trainable=False, **options)


@pytest.mark.parametrize("norm", [{}, {"scale": False}, {"center": False}, {"axis": 3, "epsilon": 0.1}])
@pytest.mark.parametrize(
    "convolution",
    [
        lambda: layers.Conv2D(4, 1, use_bias=False),
        lambda: layers.Conv2D(4, 3, strides=2, padding="same"),
        lambda: layers.Conv2D(4, 3, dilation_rate=2),
        lambda: layers.Conv2D(6, 3, groups=3),
        lambda: layers.DepthwiseConv2D(3, use_bias=False, padding="same"),
        lambda: layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2),
    ],
)
def test_outputs_and_gradients_are_those_of_keras(convolution: Any, norm: dict[str, Any]) -> None:
    model = normalised(convolution(), frozen(**norm))
    expected = one_step(model, images())

    with quick_layers(model):
        assert "BiasAdd" in operations(model, images())
        found = one_step(model, images())

    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_half_precision_gives_half_precision() -> None:
    with computing_in("mixed_bfloat16"):
        model = normalised(layers.Conv2D(4, 3), frozen())
    assert_half_precision_stays(model)


def test_a_whole_network_of_them() -> None:
    network = keras.applications.MobileNetV2(input_shape=(32, 32, 3), weights=None, alpha=0.35, pooling="avg")
    for layer in network.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    batch = images(4, 32)
    expected = one_step(network, batch)

    with quick_layers(network):
        assert len(list(frozen_pairs(network))) == 52
        found = one_step(network, batch)

    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


def test_what_others_see_of_a_convolution_stays() -> None:
    inputs = keras.Input(INPUTS)
    seen = layers.Conv2D(3, 3, padding="same")
    outputs = seen(inputs)
    twice = layers.Conv2D(3, 1)
    shared = frozen()
    model = keras.Model(inputs, [
        frozen()(outputs),
        layers.Add()([outputs, inputs]),
        frozen()(twice(twice(inputs))),
        shared(layers.Conv2D(3, 1)(inputs)),
        shared(layers.Conv2D(3, 1)(inputs)),
        (shown := layers.Conv2D(3, 1)(inputs)),
        frozen()(shown),
    ])  # fmt: skip

    assert list(frozen_pairs(model)) == []


@pytest.mark.parametrize(
    ("convolution", "norm"),
    [
        (lambda: layers.Conv2D(6, 3, activation="relu"), frozen),
        (lambda: layers.Conv2D(6, 3), layers.BatchNormalization),
        (lambda: layers.Conv2D(6, 1), lambda: frozen(axis=1)),
        (lambda: layers.Conv2D(6, 1), lambda: frozen(dtype="float16")),
        (lambda: layers.SeparableConv2D(6, 3), frozen),
        (lambda: layers.Dense(6), frozen),
    ],
)
def test_others_stay(convolution: Any, norm: Any) -> None:
    assert list(frozen_pairs(normalised(convolution(), norm()))) == []


def test_a_network_that_is_no_graph_of_layers_has_none() -> None:
    assert list(frozen_pairs(keras.Sequential([layers.Conv2D(4, 3), frozen()]))) == []

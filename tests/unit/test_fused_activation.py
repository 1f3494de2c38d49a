"""Inside `quick_layers` a smooth activation is compiled, and computes what Keras' own does."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from tests.unit.training_steps import assert_half_precision_stays, images, one_layer, one_step, operations
from vision.training.precision import computing_in
from vision.training.quick_layers import quick_layers

SMOOTH = ["silu", "swish", "hard_silu", "gelu"]
COMPILED = "PartitionedCall"


def followed(activation: str) -> keras.Model:
    """Behind a convolution, whose weights then have gradients."""
    return one_layer(keras.Sequential([layers.Conv2D(4, 3), layers.Activation(activation)]))


@pytest.mark.parametrize("activation", SMOOTH)
def test_outputs_and_gradients_are_those_of_keras(activation: str) -> None:
    model = followed(activation)
    assert COMPILED not in operations(model, images())
    expected = one_step(model, images())

    with quick_layers(model):
        assert COMPILED in operations(model, images())
        found = one_step(model, images())

    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", SMOOTH)
def test_half_precision_gives_half_precision(activation: str) -> None:
    with computing_in("mixed_bfloat16"):
        model = followed(activation)
    assert_half_precision_stays(model)


def test_other_activations_are_left_alone() -> None:
    model = followed("relu")
    with quick_layers(model):
        assert COMPILED not in operations(model, images())


def test_images_of_any_number_and_size() -> None:
    model = one_layer(layers.Activation("silu"), side=None)
    with quick_layers(model):
        for count, side in ((1, 6), (8, 6), (3, 4)):
            batch = images(count, side)
            np.testing.assert_allclose(model(batch), keras.activations.silu(batch), rtol=1e-5, atol=1e-5)


def test_a_whole_network_of_them_is_as_before_afterwards() -> None:
    network = keras.applications.EfficientNetB0(
        input_shape=(32, 32, 3), weights=None, include_top=False, pooling="avg"
    )
    for layer in network.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    before = network.predict_on_batch(images(2, 32))
    with quick_layers(network):
        np.testing.assert_allclose(network(images(2, 32), training=False), before, rtol=1e-3, atol=1e-4)
    assert all("call" not in vars(layer) for layer in network.layers)
    assert np.array_equal(network.predict_on_batch(images(2, 32)), before)

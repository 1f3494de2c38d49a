"""The same network in another precision: its weights, what of them is trained, and its answers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from models import ARCHITECTURES
from vision.training.averaging import behind_mirror, mirrored
from vision.training.precision import in_precision

SHAPE = (32, 32, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype(np.uint8)


@pytest.mark.parametrize("name", ["fast", "residual", "mobilenet_v3_small"])
def test_half_precision_answers_nearly_the_same(name: str) -> None:
    keras.utils.set_random_seed(0)
    network = ARCHITECTURES[name].build(SHAPE, 3)
    half = in_precision(network, "mixed_bfloat16")

    computing = {layer.compute_dtype for layer in half.layers if isinstance(layer, keras.layers.Conv2D)}
    assert computing == {"bfloat16"}
    assert {variable.dtype for variable in half.weights} == {"float32"}
    assert [variable.trainable for variable in half.weights] == [each.trainable for each in network.weights]
    assert all(map(np.array_equal, half.get_weights(), network.get_weights()))
    expected, received = network(IMAGES), half(IMAGES)
    assert received.dtype == "float32"
    assert 0 < np.abs(received - expected).max() < 0.05 * np.abs(expected).max()


def test_the_original_is_left_as_it_is() -> None:
    network = ARCHITECTURES["residual"].build(SHAPE, 3)
    half = in_precision(network, "mixed_bfloat16")
    half.set_weights([weight + 1 for weight in half.get_weights()])
    assert not any(map(np.array_equal, half.get_weights(), network.get_weights()))
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}


def test_both_ways_of_a_mirrored_network_are_recast() -> None:
    network = mirrored(ARCHITECTURES["residual"].build(SHAPE, 3), task="multi_class")
    half = in_precision(network, "mixed_bfloat16")
    inner = behind_mirror(half)
    assert inner is not None
    assert "bfloat16" in {layer.compute_dtype for layer in inner.layers}
    assert half(IMAGES).dtype == "float32"
    assert np.abs(keras.ops.softmax(half(IMAGES)) - keras.ops.softmax(network(IMAGES))).max() < 0.02

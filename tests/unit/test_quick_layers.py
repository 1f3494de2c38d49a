"""Layers inside `quick_layers` compute what Keras' own do: outputs, gradients and moving averages."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.unit.training_steps import images, one_layer, one_step, operations
from vision.training import quick_layers as quick_layers_module
from vision.training.precision import computing_in
from vision.training.quick_layers import quick_layers
from vision.training.several_workers import Worker


@pytest.fixture(autouse=True)
def all_kernels_are_large(monkeypatch) -> None:
    monkeypatch.setattr(quick_layers_module, "SMALLEST_KERNEL", 1)


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"momentum": 0.6, "axis": 3}])
def test_batch_norm(options: dict[str, Any]) -> None:
    model = one_layer(layers.BatchNormalization(**options))
    start = [value + 0.5 for value in model.get_weights()]
    model.set_weights(start)
    expected = one_step(model, images())
    model.set_weights(start)

    with quick_layers(model):
        assert "FusedBatchNormGradV3" in operations(model, images())
        model.set_weights(start)
        found = one_step(model, images())

    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_batch_norm_of_a_single_pixel() -> None:
    model = one_layer(layers.BatchNormalization(), side=1)

    with quick_layers(model):
        outputs = model(images(1, 1), training=True)

    np.testing.assert_array_equal(outputs, np.zeros((1, 1, 1, 3)))
    assert all(np.isfinite(value).all() for value in model.get_weights())


def test_batch_norm_in_half_precision_keeps_its_own_numbers_in_float32() -> None:
    with computing_in("mixed_bfloat16"):
        model = one_layer(layers.BatchNormalization())
    expected = one_step(model, images())
    model.set_weights([np.ones(3), np.zeros(3), np.zeros(3), np.ones(3)])

    with quick_layers(model):
        assert model(images()).dtype == "bfloat16"
        found = one_step(model, images())

    np.testing.assert_allclose(found[0], expected[0], atol=0.03)  # two roundings to 8 bits
    for ours, theirs in zip(found[-4:], expected[-4:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0.01)  # of inputs that were rounded, or not


@pytest.mark.parametrize(
    "layer",
    [
        layers.BatchNormalization(trainable=False),
        layers.BatchNormalization(axis=1),
        layers.BatchNormalization(epsilon=1e-6),
        layers.BatchNormalization(renorm=True),
        layers.BatchNormalization(dtype="float64"),
        layers.GroupNormalization(3),
    ],
)
def test_what_tensorflow_has_no_operation_for_stays(layer: keras.Layer) -> None:
    model = one_layer(layer)

    with quick_layers(model):
        model(images(), training=True)
        with tf.GradientTape() as tape:
            tape.watch(given := tf.convert_to_tensor(images()))
            outputs = model(given, training=True)

    assert np.isfinite(tape.gradient(outputs, given)).all()
    assert "call" not in vars(layer)
    if not layer.trainable:
        np.testing.assert_array_equal(layer.moving_mean, np.zeros(3))


def test_several_workers_keep_batch_norm_that_exchanges(monkeypatch) -> None:
    monkeypatch.setattr(quick_layers_module, "this_worker", lambda: Worker(place=0, count=2))
    model = one_layer(layers.BatchNormalization())

    with quick_layers(model):
        assert "FusedBatchNormV3" not in operations(model, images())


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 5), (1, 7), (3, 1)])
def test_convolution(kernel: tuple[int, int]) -> None:
    layer = layers.Conv2D(4, kernel, padding="same")
    exact = one_step(one_layer(layer), images())
    with computing_in("mixed_bfloat16"):
        half = layers.Conv2D(4, kernel, padding="same")
        model = one_layer(half)
    model.set_weights(layer.get_weights())

    with quick_layers(model):
        assert "Conv2DBackpropFilter" not in operations(model, images())
        found = one_step(model, images())

    for ours, theirs in zip(found, exact, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.02 * np.abs(theirs).max())


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2},
        {"padding": "valid"},
        {"groups": 2},
        {"dilation_rate": 2},
        {"kernel_size": 2},
    ],
)
def test_other_convolutions_stay(options: dict[str, Any]) -> None:
    with computing_in("mixed_bfloat16"):
        layer = layers.Conv2D(4, **{"kernel_size": 3, "padding": "same", **options})
        model = one_layer(layer, channels=2)

    with quick_layers(model):
        assert "convolution_op" not in vars(layer)


@pytest.mark.parametrize(("side", "dtype"), [(9, "mixed_bfloat16"), (6, "float32")])
def test_large_maps_and_single_precision_stay(side: int, dtype: str) -> None:
    with computing_in(dtype):
        model = one_layer(layers.Conv2D(4, 3, padding="same"), side=None)

    with quick_layers(model):
        assert "Conv2DBackpropFilter" in operations(model, images(side=side))


def test_nothing_is_left_behind_also_where_training_failed() -> None:
    inner = one_layer(layers.BatchNormalization())
    model = one_layer(inner)
    batch_norm = inner.layers[-1]

    with pytest.raises(RuntimeError), quick_layers(model):
        assert "call" in vars(batch_norm)
        raise RuntimeError

    assert "call" not in vars(batch_norm)


def test_elsewhere_nothing_changes(monkeypatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    model = one_layer(layers.BatchNormalization())

    with quick_layers(model):
        assert "call" not in vars(model.layers[-1])

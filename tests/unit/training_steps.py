"""One step of training of a network, looked at from outside."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vision.training.quick_layers import quick_layers


def one_layer(layer: keras.Layer, *, channels: int = 3, side: int | None = 6) -> keras.Model:
    inputs = keras.Input((side, side, channels))
    return keras.Model(inputs, layer(inputs))


def images(count: int = 8, side: int = 6, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(1.0, 2.0, (count, side, side, channels)).astype(np.float32)


def one_step(model: keras.Model, batch: np.ndarray) -> list[np.ndarray]:
    """Outputs and gradients, of inputs too, of a loss without symmetry; then all that the layers hold."""
    weights = np.random.default_rng(1).normal(size=model(batch).shape)

    @tf.function
    def step(given: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(given)
            outputs = tf.cast(model(given, training=True), "float32")
            loss = tf.reduce_sum(outputs * tf.cast(weights, "float32"))
        return outputs, tape.gradient(loss, [given, *(each.value for each in model.trainable_variables)])

    outputs, gradients = step(tf.convert_to_tensor(batch))
    return [np.asarray(outputs), *map(np.asarray, gradients), *model.get_weights()]


def assert_half_precision_stays(model: keras.Model) -> None:
    """Inside `quick_layers` a model of mixed_bfloat16 answers in bfloat16, near to Keras' own."""
    expected = one_step(model, images())

    with quick_layers(model):
        assert model(images()).dtype == "bfloat16"
        found = one_step(model, images())

    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.05 * np.abs(theirs).max())


def operations(model: keras.Model, batch: np.ndarray) -> set[str]:
    """Kinds of all operations of a step of training."""

    @tf.function
    def step(given: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(model(given, training=True), "float32"))
        return tape.gradient(loss, [each.value for each in model.trainable_variables])

    graph = step.get_concrete_function(tf.convert_to_tensor(batch)).graph
    return {operation.type for operation in graph.get_operations()}

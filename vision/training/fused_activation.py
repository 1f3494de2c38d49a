"""Smooth activations and their gradients, each in one pass over the batch, by XLA.

TensorFlow makes SiLU and its gradient of eight operations that each pass over the whole batch, and GELU and
its own of more. `python -m benchmarks throughput_fine_tuning` measures what this gains.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import keras

# ReLU and what is clipped like it are one operation already.
FUSED = (keras.activations.silu, keras.activations.hard_silu, keras.activations.gelu)


def is_fusible(layer: keras.Layer) -> bool:
    """Whether `fused_call` computes what the layer does."""
    return type(layer) is keras.layers.Activation and layer.activation in FUSED


def fused_call(layer: keras.layers.Activation) -> Callable[[Any], Any]:
    """What to call in its place: values of any shape -> as many."""

    def call(inputs: Any) -> Any:
        return _compiled(layer.activation, tuple(inputs.shape), inputs.dtype)(inputs)

    return call


@cache
def _compiled(activation: Callable[[Any], Any], shape: tuple[int | None, ...], dtype: Any) -> Any:
    """One for all layers of a shape: XLA compiles each of them for a tenth of a second."""
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def forwards(values: Any) -> Any:
        return activation(values)

    @tf.function(jit_compile=True)
    def backwards(values: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            outputs = activation(values)
        return tape.gradient(outputs, values, upstream)

    @tf.custom_gradient
    def both(values: Any) -> tuple[Any, Callable[[Any], Any]]:
        return forwards(values), lambda upstream: backwards(values, upstream)

    return both

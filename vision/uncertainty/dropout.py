"""Monte Carlo dropout: the doubt of one network, asked many times with other neurons left out.

Gal & Ghahramani 2016, Dropout as a Bayesian Approximation. It needs the Keras model: no exported one drops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vision.classifier import sigmoid, softmax
from vision.errors import DataError
from vision.image_array import ImageArray, chunks
from vision.runtimes.keras_runtime import KerasRuntime
from vision.task import Task
from vision.uncertainty.disagreement import disagreement


@dataclass(frozen=True)
class DropoutDoubt:
    """Mean probabilities (N, K) over the passes, and their mutual information (N,), in nats."""

    probabilities: NDArray[np.float32]
    information: NDArray[np.float64]


def monte_carlo_dropout(
    model: keras.Model, images: ImageArray, *, passes: int, seed: int, task: Task = "multi_class"
) -> DropoutDoubt:
    """What `passes` draws of the network say of images (N, H, W, 3), uint8; N is at least 1.

    Only dropout layers act as in training: batch normalisation keeps its averages. The model is left as it
    is. DataError where it has no dropout layer of a rate above 0: each pass would say the same.
    """
    runtime = KerasRuntime(dropping_copy(model, seed=seed))
    to_probabilities = sigmoid if task == "multi_label" else softmax
    means, information = [], []
    for chunk in chunks(images):
        members = np.stack([to_probabilities(runtime.logits(chunk)) for _ in range(passes)])
        means.append(members.mean(axis=0))
        information.append(disagreement(members, task))
    return DropoutDoubt(np.concatenate(means), np.concatenate(information))


def dropping_copy(model: keras.Model, *, seed: int) -> keras.Model:
    """A copy whose dropout layers, also those of nested models, drop at inference; each has its own seed."""
    found: list[_Dropping] = []

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, keras.layers.Dropout) or layer.rate == 0:
            return type(layer).from_config(layer.get_config())
        config = {**layer.get_config(), "seed": seed + len(found)}
        found.append(_Dropping(type(layer).from_config(config), name=layer.name))
        return found[-1]

    copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    if not found:
        raise DataError(
            f"Monte Carlo dropout received {model.name}, which has no dropout layer of a rate above 0; set"
            " config.model.options.dropout and train again"
        )
    copy.set_weights(model.get_weights())
    return copy


class _Dropping(keras.layers.Layer):
    """A dropout layer that drops whatever it is told of training."""

    def __init__(self, dropout: keras.layers.Dropout, name: str) -> None:
        super().__init__(name=name)
        self._dropout = dropout

    def call(self, inputs: Any) -> Any:
        return self._dropout(inputs, training=True)

"""What is trained without labels: networks that compare two views of each image of a batch.

SimCLR (Chen et al. 2020) tells the views of an image from those of all others. BYOL (Grill et al. 2020)
foretells what a slower copy of the network says of the other view, and needs no other images.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import KerasTensor, layers, ops

from vision.training.averaging import copy_of
from vision.training_config import PretrainConfig

# Widths of hidden layer and output of the heads, which are thrown away: SimCLR's B.9 for CIFAR-10 has
# 128 outputs; BYOL's 4096 and 256 are for ImageNet.
HIDDEN, OUTPUT = 512, 128
FIRST_TARGET_DECAY = 0.99  # Grill et al. 2020: 0.996 over 300,000 steps; ours are fewer


class ViewLearner(keras.Model):
    """From {"images": (N, H, W, 3) uint8} to what `compute_loss` compares; for `fit` alone, never saved.

    Shares with `network` all weights up to the layer "features".
    """

    def __init__(
        self, network: keras.Model, views: list[layers.Layer], config: PretrainConfig, steps: int
    ) -> None:
        super().__init__(name=config.method)
        self._views, self._config, self._steps = views, config, steps
        features = network.get_layer("features").output
        self._projected = keras.Model(network.inputs, _perceptron("projector", features.shape[-1])(features))
        self.built = True

    def _two_views(self, images: Any) -> Any:
        """(2N, H, W, 3): a view of each image, then another of each."""
        both = []
        for _ in range(2):
            view = ops.cast(images, "float32")
            for layer in self._views:
                view = layer(view, training=True)
            both.append(view)
        return ops.concatenate(both)


class SimClr(ViewLearner):
    """Finds the other view of each view's image among the views of all images of the batch."""

    def call(self, batch: dict[str, Any], training: bool = False) -> Any:
        return self._projected(self._two_views(batch["images"]), training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> KerasTensor:
        return nt_xent(y_pred, temperature=self._config.temperature)


class Byol(ViewLearner):
    """From one view, foretells what the target, the network's own moving average, says of the other."""

    def __init__(
        self, network: keras.Model, views: list[layers.Layer], config: PretrainConfig, steps: int
    ) -> None:
        super().__init__(network, views, config, steps)
        self._predictor = _perceptron("predictor", OUTPUT)
        self._target = copy_of(self._projected, "target")
        # One by one: a layer that is not trainable would compute batch norm as in inference.
        for variable in self._target.variables:
            variable.trainable = False
        self._step = self.add_weight(name="step", initializer="zeros", trainable=False)

    def call(self, batch: dict[str, Any], training: bool = False) -> Any:
        if training:
            self._move_target()
        views = self._two_views(batch["images"])
        return {
            "foretold": self._predictor(self._projected(views, training=training), training=training),
            "target": ops.stop_gradient(self._target(views, training=training)),
        }

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> KerasTensor:
        first, second = ops.split(y_pred["target"], 2)
        return byol_loss(y_pred["foretold"], ops.concatenate([second, first]))

    def _move_target(self) -> None:
        """Grill et al. 2020, equation 1; the decay rises to 1 by half a cosine."""
        left = 0.5 + 0.5 * ops.cos(math.pi * self._step / self._steps)
        share = (1 - FIRST_TARGET_DECAY) * left
        for target, own in zip(self._target.variables, self._projected.variables, strict=True):
            if own.trainable:
                target.assign(target + share * ops.stop_gradient(own - target))
        self._step.assign_add(1.0)


def nt_xent(vectors: Any, *, temperature: float) -> KerasTensor:
    """SimCLR's loss of vectors (2N, D), rows i and N + i being of one image: equation 1, mean over rows."""
    unit = ops.normalize(ops.cast(vectors, "float32"), axis=-1)
    rows = ops.shape(unit)[0]
    similarity = ops.matmul(unit, ops.transpose(unit)) / temperature
    similarity -= 1e9 * ops.eye(rows)  # no view is compared with itself
    first, second = ops.split(unit, 2)
    same = ops.sum(first * second, axis=-1) / temperature
    return ops.mean(ops.logsumexp(similarity, axis=-1)) - ops.mean(same)


def byol_loss(foretold: Any, targets: Any) -> KerasTensor:
    """Mean squared distance of the unit vectors (N, D): equation 2, 0..4."""
    first, second = (ops.normalize(ops.cast(each, "float32"), axis=-1) for each in (foretold, targets))
    return 2 - 2 * ops.mean(ops.sum(first * second, axis=-1))


def _perceptron(name: str, width: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((width,)),
            layers.Dense(HIDDEN, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(OUTPUT),
        ],
        name=name,
    )

"""The weights of a backbone, from pre-training on images without labels to the training of a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vision.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Backbone:
    """Weights of all layers before the head, from the bottom; none where there was no pre-training."""

    weights: tuple[NDArray[Any], ...] = ()

    @classmethod
    def of(cls, network: keras.Model) -> Backbone:
        """A copy of what the network has."""
        return cls(tuple(np.array(weight) for layer in _layers(network) for weight in layer.get_weights()))

    def put_into(self, network: keras.Model) -> None:
        """Gives them to a network of the same architecture; ConfigError where it is another."""
        if not self.weights:
            return
        layers = _layers(network)
        own = [weight.shape for layer in layers for weight in layer.weights]
        received = [weight.shape for weight in self.weights]
        if own != received:
            raise ConfigError(
                f"the pre-trained backbone has {len(received)} weights, which are not those of"
                f" {network.name} with its {len(own)}: pre-training and training must have the same network;"
                " set config.model as it was, or run the pre-training again"
            )
        rest = list(self.weights)
        for layer in layers:
            count = len(layer.weights)
            layer.set_weights(rest[:count])
            rest = rest[count:]


def _layers(network: keras.Model) -> list[Any]:
    from vision.training.frozen_features import backbone_of  # imports Keras, for which steps need not wait

    return backbone_of(network)

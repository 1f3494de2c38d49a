"""The weights of a network that was trained before, as a start for the one that is configured."""

from __future__ import annotations

import keras

from vision.errors import ConfigError
from vision.model_config import ModelConfig
from vision.training.averaging import behind_mirror, members_of
from vision.training.backbone import Backbone
from vision.training.network import build_network
from vision.training_config import TrainConfig


def starting_backbone(
    trained: keras.Model,
    model: ModelConfig,
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    config: TrainConfig,
) -> Backbone:
    """All weights of `trained` before its head, whose classes may have been others.

    Of an ensemble those of its first member. ConfigError where the configured network is another.
    """
    plain = (members_of(trained) or [behind_mirror(trained) or trained])[0]
    random = model.model_copy(update={"weights": None})
    own = Backbone.of(build_network(random, image_shape, num_classes, config=config))
    try:
        backbone = Backbone.of(plain)
    except ValueError as error:  # no layer of that name
        raise ConfigError(f"it has no layer that divides backbone and head: {error}") from error
    if [weight.shape for weight in backbone.weights] != [weight.shape for weight in own.weights]:
        raise ConfigError(
            f"it has another network than {model.name} with the options of config.model, or those that the"
            " search of config.tune chose"
        )
    return backbone

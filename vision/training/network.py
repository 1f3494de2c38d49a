"""The network that is trained, and the one of the same weights that is kept."""

from __future__ import annotations

import keras
import numpy as np

from models import ARCHITECTURES, ImageShape
from vision.errors import ConfigError
from vision.image_array import ImageArray, Pixels
from vision.model_config import ModelConfig
from vision.pretrained import build_pretrained
from vision.training.precision import computing_in, dtype_policy
from vision.training.stages import stage_of
from vision.training_config import TrainConfig

# Training images that an architecture's `prepare` function is shown, as in airbench94 (Jordan 2024).
PREPARING_IMAGES = 5_000


def build_network(
    model: ModelConfig,
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    config: TrainConfig,
    train_images: ImageArray | None = None,
) -> keras.Model:
    """A new network in the precision of `config`: (N, H, W, 3) pixels 0..255 -> logits (N, K) float32.

    Of any H and W where images are to grow. What the architecture takes from `train_images` before training
    is done. ConfigError for weights that cannot be had, and for images that cannot grow.
    """
    row = ARCHITECTURES[model.name]
    shape = _training_shape(model, image_shape, config)
    with computing_in(dtype_policy(config.precision)):
        if model.weights is None:
            network = row.build(shape, num_classes, **model.options)
        else:
            network = build_pretrained(
                model.name, shape, num_classes, weights=model.weights, options=model.options
            )
    if row.prepare_function is not None and train_images is not None:
        row.prepare_function(network, _spread(train_images, PREPARING_IMAGES))
    return network


def as_float32(
    network: keras.Model, model: ModelConfig, image_shape: tuple[int, int, int], num_classes: int
) -> keras.Model:
    """A new network with the same weights that computes in float32 and takes images of one size."""
    with computing_in("float32"):
        plain = ARCHITECTURES[model.name].build(image_shape, num_classes, **model.options)
    plain.set_weights(network.get_weights())
    return plain


def _training_shape(model: ModelConfig, image_shape: tuple[int, int, int], config: TrainConfig) -> ImageShape:
    height, width, channels = image_shape
    first = stage_of(0, config, (height, width)).size
    if first is None:
        return image_shape
    row = ARCHITECTURES[model.name]
    if not row.takes_any_size:
        raise ConfigError(
            f"{model.name} takes images of one size, but train.first_size_share is {config.first_size_share}:"
            " set config.train.first_size_share to 1, or config.model.name to another architecture"
        )
    if min(first) < row.smallest_side:
        raise ConfigError(
            f"train.first_size_share {config.first_size_share} makes the first images {first[0]} x {first[1]}"
            f" pixels, but {model.name} needs {row.smallest_side} x {row.smallest_side} at least: set"
            " config.train.first_size_share higher, or config.prepare.image_size"
        )
    return (None, None, channels)


def _spread(images: ImageArray, count: int) -> Pixels:
    """So many of the images, evenly spaced: neighbours may be of one class."""
    rows = np.unique(np.linspace(0, len(images) - 1, count).astype(np.intp))
    return images[rows]

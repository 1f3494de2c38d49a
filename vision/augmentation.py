"""Random changes of training images, as Keras layers that run on the device; never on other images."""

from __future__ import annotations

import keras
import numpy as np
from keras import KerasTensor, layers
from numpy.typing import NDArray

from vision.augmentation_policy import AugmentationPolicy


def augmentation_layers(policy: AugmentationPolicy, *, seed: int) -> list[layers.Layer]:
    """Layers on pixels 0..255 that act only where training=True; same seed, same changes."""
    chain: list[layers.Layer] = []
    if policy.horizontal_flip:
        chain.append(layers.RandomFlip("horizontal", seed=seed))
    if policy.rotation_degrees:
        factor = policy.rotation_degrees / 360
        chain.append(layers.RandomRotation(factor, fill_mode="nearest", seed=seed + 1))
    if policy.zoom:
        chain.append(layers.RandomZoom((-policy.zoom, policy.zoom), fill_mode="nearest", seed=seed + 2))
    if policy.shift:
        chain.append(layers.RandomTranslation(policy.shift, policy.shift, fill_mode="nearest", seed=seed + 3))
    if policy.brightness:
        chain.append(layers.RandomBrightness(policy.brightness, value_range=(0, 255), seed=seed + 4))
    return chain


def with_augmentation(model: keras.Model, policy: AugmentationPolicy, *, seed: int) -> keras.Model:
    """A model for `fit` alone: augmentation, then `model`, whose weights it shares."""
    inputs = keras.Input(model.input_shape[1:])
    x: KerasTensor = inputs
    for layer in augmentation_layers(policy, seed=seed):
        x = layer(x)
    return keras.Model(inputs, model(x), name="augmented")


EXAMPLES = 6
VERSIONS = 4


def augmentation_examples(
    policy: AugmentationPolicy, images: NDArray[np.uint8], *, seed: int
) -> list[tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]]:
    """A few images (H, W, 3) drawn from `images`, each with random versions of it."""
    count = min(EXAMPLES, len(images))
    rows = np.sort(np.random.default_rng(seed).choice(len(images), count, replace=False))
    chosen = np.asarray(images[rows])
    versions = [augment_images(policy, chosen, seed=seed + 100 * number) for number in range(1, VERSIONS + 1)]
    return [(chosen[row], [version[row] for version in versions]) for row in range(count)]


def augment_images(policy: AugmentationPolicy, images: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
    """One random version of each image (N, H, W, 3), uint8 0..255: for people to look at."""
    batch = keras.ops.convert_to_tensor(images.astype(np.float32))
    for layer in augmentation_layers(policy, seed=seed):
        batch = layer(batch, training=True)
    pixels = np.rint(keras.ops.convert_to_numpy(batch))
    clipped: NDArray[np.uint8] = np.clip(pixels, 0, 255).astype(np.uint8)
    return clipped

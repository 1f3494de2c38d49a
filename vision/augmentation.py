"""Random changes of training images, as Keras layers that run on the device; never on other images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from vision.augmentation_chains import AugMix, RandAugment
from vision.augmentation_mixing import OneOf, cut_mix
from vision.augmentation_noise import PixelNoise
from vision.augmentation_policy import AugmentationPolicy
from vision.image_array import ImageArray

# A batch: {"images": (N, H, W, 3) float32 0..255, "labels": (N, K) float32, which only mixing changes}.
Batch = dict[str, Any]
Build = Callable[[AugmentationPolicy, int], layers.Layer]


@dataclass(frozen=True)
class Change:
    """A layer from one Batch to the next, there where one of the policy's `options` is on."""

    options: tuple[str, ...]
    build: Build


def _mixing(policy: AugmentationPolicy, seed: int) -> layers.Layer:
    mixes = []
    if policy.mixup:
        mixes.append(layers.MixUp(policy.mixup, seed=100 * seed))
    if policy.cutmix:
        mixes.append(cut_mix(policy.cutmix, seed=100 * seed + 1))
    return mixes[0] if len(mixes) == 1 else OneOf(mixes, seed=seed)


# In the order in which they act: geometry, colour, what hides, what mixes. Place = offset of the seed.
CHANGES = (
    Change(("horizontal_flip",), lambda policy, seed: layers.RandomFlip("horizontal", seed=seed)),
    Change(
        ("rotation_degrees",),
        lambda policy, seed: layers.RandomRotation(
            policy.rotation_degrees / 360, fill_mode="nearest", seed=seed
        ),
    ),
    Change(
        ("zoom",),
        lambda policy, seed: layers.RandomZoom((-policy.zoom, policy.zoom), fill_mode="nearest", seed=seed),
    ),
    # Whole pixels: between two of them bilinear interpolation blurs, as no test image is blurred. CIFAR-10 in
    # four epochs: 0.812 of validation against 0.808, one seed.
    Change(
        ("shift",),
        lambda policy, seed: layers.RandomTranslation(
            policy.shift, policy.shift, fill_mode="reflect", interpolation="nearest", seed=seed
        ),
    ),
    Change(
        ("brightness",),
        lambda policy, seed: layers.RandomBrightness(policy.brightness, value_range=(0, 255), seed=seed),
    ),
    Change(
        ("rand_augment_operations",),
        lambda policy, seed: RandAugment(
            policy.rand_augment_operations, policy.rand_augment_magnitude, seed=seed
        ),
    ),
    Change(("aug_mix",), lambda policy, seed: AugMix(policy.aug_mix, seed=seed)),
    # A pair, because Keras reads a single number as "a probability between 0 and it". Grey, as in Cutout
    # (DeVries & Taylor 2017), not Keras' noise: a whitened first convolution would blow that up.
    Change(
        ("erasing",),
        lambda policy, seed: layers.RandomErasing(
            (policy.erasing, policy.erasing), fill_value=127.5, seed=seed
        ),
    ),
    Change(("noise",), lambda policy, seed: PixelNoise(policy.noise, seed=seed)),
    Change(("mixup", "cutmix"), _mixing),
)


def augmentation_layers(policy: AugmentationPolicy, *, seed: int) -> list[layers.Layer]:
    """Layers from Batch to Batch that act only where training=True; same seed, same changes."""
    return [
        change.build(policy, seed + place)
        for place, change in enumerate(CHANGES)
        if any(getattr(policy, option) for option in change.options)
    ]


def is_mixing(layer: layers.Layer) -> bool:
    """Whether it makes one image of two, and so changes labels."""
    return isinstance(layer, (layers.MixUp, layers.CutMix, OneOf))


EXAMPLES = 6
VERSIONS = 4


def augmentation_examples(
    policy: AugmentationPolicy, images: ImageArray, *, seed: int
) -> list[tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]]:
    """A few images (H, W, 3) drawn from `images`, each with random versions of it."""
    count = min(EXAMPLES, len(images))
    rows = np.sort(np.random.default_rng(seed).choice(len(images), count, replace=False))
    chosen = np.asarray(images[rows])
    versions = [augment_images(policy, chosen, seed=seed + 100 * number) for number in range(1, VERSIONS + 1)]
    return [(chosen[row], [version[row] for version in versions]) for row in range(count)]


def augment_images(policy: AugmentationPolicy, images: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
    """One random version of each image (N, H, W, 3), uint8 0..255: for people to look at.

    Mixing mixes them with one another.
    """
    labels = np.eye(len(images), dtype=np.float32)
    batch: Batch = {
        "images": keras.ops.convert_to_tensor(images.astype(np.float32)),
        "labels": keras.ops.convert_to_tensor(labels),
    }
    for layer in augmentation_layers(policy, seed=seed):
        batch = layer(batch, training=True)
    pixels = np.rint(keras.ops.convert_to_numpy(batch["images"]))
    clipped: NDArray[np.uint8] = np.clip(pixels, 0, 255).astype(np.uint8)
    return clipped

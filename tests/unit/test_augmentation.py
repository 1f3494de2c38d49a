"""Augmentation: seeded, in range, off outside training."""

import numpy as np
import pytest

from vision.augmentation import augment_images, augmentation_examples, with_augmentation
from vision.augmentation_policy import AugmentationPolicy

OFF = {"rotation_degrees": 0, "horizontal_flip": False, "zoom": 0, "shift": 0, "brightness": 0}
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)


def test_augment_images_is_decided_by_the_seed():
    policy = AugmentationPolicy()
    first = augment_images(policy, IMAGES, seed=1)
    assert np.array_equal(first, augment_images(policy, IMAGES, seed=1))
    assert not np.array_equal(first, augment_images(policy, IMAGES, seed=2))


def test_augment_images_changes_nothing_when_off():
    policy = AugmentationPolicy(**OFF)
    assert policy.is_off
    assert np.array_equal(augment_images(policy, IMAGES, seed=1), IMAGES)


@pytest.mark.parametrize(
    "change",
    [{"rotation_degrees": 20}, {"horizontal_flip": True}, {"zoom": 0.2}, {"shift": 0.2}, {"brightness": 0.2}],
)
def test_each_change_acts_alone(change):
    policy = AugmentationPolicy(**OFF | change)
    changed = augment_images(policy, IMAGES, seed=1)
    assert not policy.is_off
    assert changed.shape == IMAGES.shape and changed.dtype == np.uint8
    assert not np.array_equal(changed, IMAGES)


def test_flip_gives_the_image_or_its_mirror():
    changed = augment_images(AugmentationPolicy(**OFF | {"horizontal_flip": True}), IMAGES, seed=1)
    for before, after in zip(IMAGES, changed, strict=True):
        assert np.array_equal(after, before) or np.array_equal(after, before[:, ::-1])


def test_brightness_stays_within_its_share_of_the_range():
    gray = np.full((64, 4, 4, 3), 128, np.uint8)
    changed = augment_images(AugmentationPolicy(**OFF | {"brightness": 0.2}), gray, seed=1)
    assert changed.min() >= 128 - 51 - 1 and changed.max() <= 128 + 51 + 1
    assert len(np.unique(changed[:, 0, 0, 0])) > 10


def test_with_augmentation_is_the_model_itself_outside_training():
    import keras

    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    trainer = with_augmentation(model, AugmentationPolicy(), seed=1)
    pixels = IMAGES.astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(pixels))
    assert np.allclose(keras.ops.convert_to_numpy(trainer(pixels, training=False)), expected)
    assert not np.allclose(keras.ops.convert_to_numpy(trainer(pixels, training=True)), expected)


def test_augmentation_examples_shows_several_versions_of_each():
    examples = augmentation_examples(AugmentationPolicy(), IMAGES, seed=1)
    assert len(examples) == 6
    original, versions = examples[0]
    assert len(versions) == 4
    assert not np.array_equal(versions[0], versions[1])
    assert any(np.array_equal(original, image) for image in IMAGES)

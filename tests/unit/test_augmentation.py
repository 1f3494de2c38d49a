"""Augmentation: each change is seeded, in range, off outside training, and does what its paper says."""

import numpy as np
import pytest
from pydantic import ValidationError

from vision.augmentation import (
    CHANGES,
    VERSIONS,
    augment_images,
    augmentation_examples,
    augmentation_layers,
)
from vision.augmentation_policy import STRENGTHS, AugmentationPolicy
from vision.image_array import ShardedImages
from vision.report.gallery import render_augmentation_gallery

OFF = {"rotation_degrees": 0, "horizontal_flip": False, "zoom": 0, "shift": 0, "brightness": 0}
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
# One value of each option; a new row of CHANGES fails test_every_option_is_tested until it stands here.
ON = {
    "horizontal_flip": True,
    "rotation_degrees": 20,
    "zoom": 0.2,
    "shift": 0.2,
    "brightness": 0.2,
    "rand_augment_operations": 3,
    "aug_mix": 0.5,
    "erasing": 1.0,
    "noise": 0.1,
    "mixup": 1.0,
    "cutmix": 1.0,
}
SETTINGS = [pytest.param({name: value}, id=name) for name, value in ON.items()]
SETTINGS += [
    pytest.param({"mixup": 1.0, "cutmix": 1.0}, id="both mixes"),
    pytest.param(ON, id="everything"),
]


def only(**change):
    return AugmentationPolicy(**OFF | change)


def augment_batch(policy, images, labels=None, *, seed=1, training=True):
    """Images and labels after the policy's layers, as arrays."""
    import keras

    labels = np.eye(len(images), dtype=np.float32) if labels is None else labels
    batch = {"images": images.astype(np.float32), "labels": labels}
    batch = {name: keras.ops.convert_to_tensor(value) for name, value in batch.items()}
    for layer in augmentation_layers(policy, seed=seed):
        batch = layer(batch, training=training)
    return keras.ops.convert_to_numpy(batch["images"]), keras.ops.convert_to_numpy(batch["labels"])


def test_every_option_is_tested():
    options = [option for change in CHANGES for option in change.options]
    assert sorted(options) == sorted(ON)
    assert set(options) == set(AugmentationPolicy.model_fields) - set(STRENGTHS)


def test_policy_default_is_the_reference_set():
    assert AugmentationPolicy().in_force == ("rotation_degrees", "horizontal_flip", "zoom", "brightness")


@pytest.mark.parametrize("change", SETTINGS)
def test_policy_with_one_option_is_not_off(change):
    assert only().is_off
    assert not only(**change).is_off


def test_policy_with_a_strength_of_nothing_is_off():
    assert only(rand_augment_magnitude=0.9).is_off


@pytest.mark.parametrize("name", [name for name in ON if name != "horizontal_flip"])
def test_policy_refuses_values_out_of_range(name):
    for value in (-0.1, 181):
        with pytest.raises(ValidationError, match=name):
            AugmentationPolicy(**{name: value})


def test_policy_names_the_flips_that_there_are():
    with pytest.raises(ValidationError, match="True, False or 'alternating'"):
        only(horizontal_flip="sometimes")


def test_augment_images_changes_nothing_when_off():
    assert np.array_equal(augment_images(only(), IMAGES, seed=1), IMAGES)


@pytest.mark.parametrize("change", SETTINGS)
def test_each_change_is_decided_by_the_seed(change):
    images, labels = augment_batch(only(**change), IMAGES, seed=3)
    again, labels_again = augment_batch(only(**change), IMAGES, seed=3)
    others = [augment_batch(only(**change), IMAGES, seed=seed)[0] for seed in (4, 5, 6)]
    assert np.array_equal(images, again) and np.array_equal(labels, labels_again)
    assert any(not np.array_equal(images, other) for other in others)


@pytest.mark.parametrize("change", SETTINGS)
def test_each_change_keeps_shape_and_range(change):
    images, labels = augment_batch(only(**change), IMAGES)
    assert images.shape == IMAGES.shape and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 255.001
    assert labels.min() >= 0 and labels.sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("change", SETTINGS)
def test_each_change_is_the_identity_outside_training(change):
    images, labels = augment_batch(only(**change), IMAGES, training=False)
    assert np.array_equal(images, IMAGES)
    assert np.array_equal(labels, np.eye(8))


@pytest.mark.parametrize("name", [name for name in ON if name not in ("mixup", "cutmix")])
def test_changes_that_do_not_mix_leave_labels_alone(name):
    _, labels = augment_batch(only(**{name: ON[name]}), IMAGES)
    assert np.array_equal(labels, np.eye(8))


def test_flip_gives_the_image_or_its_mirror():
    changed = augment_images(only(horizontal_flip=True), IMAGES, seed=1)
    for before, after in zip(IMAGES, changed, strict=True):
        assert np.array_equal(after, before) or np.array_equal(after, before[:, ::-1])


def test_brightness_stays_within_its_share_of_the_range():
    gray = np.full((64, 4, 4, 3), 128, np.uint8)
    changed = augment_images(only(brightness=0.2), gray, seed=1)
    assert changed.min() >= 128 - 51 - 1 and changed.max() <= 128 + 51 + 1
    assert len(np.unique(changed[:, 0, 0, 0])) > 10


def test_noise_has_its_standard_deviation():
    gray = np.full((16, 32, 32, 3), 128, np.uint8)
    noise = augment_batch(only(noise=0.1), gray)[0] - 128
    assert noise.std() == pytest.approx(25.5, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.5)


def test_erasing_hides_its_share_of_images_behind_a_box_of_2_to_33_percent():
    """Zhong et al. 2020, table 1: s_l = 0.02, s_h = 0.33 or 0.4."""
    gray = np.full((2000, 20, 20, 3), 128, np.uint8)
    images, _ = augment_batch(only(erasing=0.5), gray)
    shares = (images != 128).any(axis=3).mean(axis=(1, 2))
    assert (shares > 0).mean() == pytest.approx(0.5, abs=0.04)
    # Keras' box has fractional sides: up to one row and one column more than its area.
    assert shares.max() <= (np.sqrt(0.33) + 1 / 20) ** 2


def test_mixup_mixes_labels_as_it_mixes_pixels():
    """Every image has one value, its number: what is left of it is what its label must say."""
    numbers = np.arange(32, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 4, 3), np.float32)
    images, labels = augment_batch(only(mixup=1.0), numbers)
    assert images[:, 0, 0, 0] == pytest.approx(labels @ np.arange(32), abs=1e-3)
    assert (labels > 0).sum(axis=1).max() == 2
    assert ((labels > 0.01) & (labels < 0.99)).any()


@pytest.mark.parametrize("side", [5, 16, 33])
def test_cutmix_gives_labels_the_share_of_the_pasted_pixels(side):
    numbers = np.arange(64, dtype=np.float32)[:, None, None, None] * np.ones((1, side, side, 3), np.float32)
    images, labels = augment_batch(only(cutmix=1.0), numbers)
    shares = np.stack([(images[..., 0] == number).mean(axis=(1, 2)) for number in range(64)], axis=1)
    assert labels == pytest.approx(shares, abs=1e-5)
    assert ((labels > 0.2) & (labels < 0.8)).any()


def test_cutmix_with_alpha_1_pastes_every_share_equally_often():
    """Yun et al. 2019, section 3.2: lambda ~ Beta(1, 1), so a quarter of the boxes are below a quarter."""
    images = np.zeros((2000, 32, 32, 3), np.uint8)
    _, labels = augment_batch(only(cutmix=1.0), images)
    own = np.diag(labels)
    for share in (0.25, 0.5, 0.75):
        assert (own < share).mean() == pytest.approx(share, abs=0.05)


def test_both_mixes_take_turns():
    """CutMix leaves only values that were there; MixUp makes values in between."""
    numbers = np.arange(8, dtype=np.float32)[:, None, None, None] * np.ones((1, 8, 8, 3), np.float32)
    batches = [augment_batch(only(mixup=1.0, cutmix=1.0), numbers, seed=seed)[0] for seed in range(12)]
    is_cut = [bool((images == images.round()).all()) for images in batches]
    assert any(is_cut) and not all(is_cut)


def test_augmentation_examples_shows_several_versions_of_each():
    examples = augmentation_examples(AugmentationPolicy(), IMAGES, seed=1)
    assert len(examples) == 6
    original, versions = examples[0]
    assert len(versions) == VERSIONS
    assert not np.array_equal(versions[0], versions[1])
    assert any(np.array_equal(original, image) for image in IMAGES)


def test_augmentation_examples_reads_sharded_images(tmp_path):
    files = [tmp_path / "0.npy", tmp_path / "1.npy"]
    np.save(files[0], IMAGES[:3])
    np.save(files[1], IMAGES[3:])
    shards = ShardedImages(
        files, shards=np.repeat([0, 1], [3, 5]), rows=np.r_[:3, :5], image_shape=(16, 16, 3)
    )
    from_shards = augmentation_examples(only(cutmix=1.0), shards, seed=1)
    from_array = augmentation_examples(only(cutmix=1.0), IMAGES, seed=1)
    assert np.array_equal(from_shards[0][1], from_array[0][1])


@pytest.mark.parametrize("change", SETTINGS)
def test_gallery_names_what_is_on_and_shows_every_version(change):
    policy = only(**change)
    page = render_augmentation_gallery(policy, augmentation_examples(policy, IMAGES, seed=1))
    assert page.count("<img") == 6 * (1 + VERSIONS)
    assert all(f">{name}<" in page for name in change)
    assert ("mixed with one another" in page) == bool(policy.mixup or policy.cutmix)
    assert ">zoom<" not in page or "zoom" in change


def test_gallery_says_when_nothing_is_on():
    page = render_augmentation_gallery(only(), augmentation_examples(only(), IMAGES, seed=1))
    assert "as they are" in page

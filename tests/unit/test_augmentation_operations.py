"""RandAugment's and AugMix's operations: their strength grows with the magnitude, each batch gets its own."""

import numpy as np
import pytest

from vision.augmentation import augmentation_layers
from vision.augmentation_operations import AUG_MIX_OPERATIONS, OPERATIONS
from vision.augmentation_policy import AugmentationPolicy

OFF = {"rotation_degrees": 0, "horizontal_flip": False, "zoom": 0, "shift": 0, "brightness": 0}


def photo():
    """A gradient with an edge: pixels at every level, in every direction."""
    ramp = np.linspace(0, 255, 24)
    image = np.stack([ramp[:, None] + 0 * ramp, ramp + 0 * ramp[:, None], np.add.outer(ramp, ramp) / 2], -1)
    image = np.minimum(image, 240)
    image[8:16, 8:16] = (200, 40, 90)
    return np.repeat(image[None], 16, axis=0).astype(np.float32)


def apply(operation, magnitude):
    import keras

    layer = operation.build(magnitude, 1)
    changed = layer.transform_images(
        keras.ops.convert_to_tensor(photo()), layer.get_random_transformation(photo())
    )
    return keras.ops.convert_to_numpy(changed)


# AutoAugment, table 6: these have no magnitude.
GRADED = [row for row in OPERATIONS if row.name not in ("auto_contrast", "equalize")]


@pytest.mark.parametrize("operation", GRADED, ids=lambda operation: operation.name)
def test_operation_grows_with_its_magnitude(operation):
    """Keras' own RandAugment posterises, solarises and blurs most where the magnitude is smallest."""
    nothing, weak, strong = (np.abs(apply(operation, size) - photo()).mean() for size in (0, 0.1, 1))
    assert nothing < 0.5  # posterisation rounds
    assert weak < 8 and strong > 2 * weak


def test_aug_mix_leaves_out_what_resembles_the_corruptions_it_is_tested_with():
    """Hendrycks et al. 2020, section 3: no contrast, color, brightness, sharpness."""
    left_out = {row.name for row in OPERATIONS} - {row.name for row in AUG_MIX_OPERATIONS}
    assert left_out == {"contrast", "color", "brightness", "sharpness"}


@pytest.mark.parametrize("change", [{"rand_augment_operations": 1}, {"aug_mix": 1.0}], ids=str)
def test_operations_are_drawn_anew_for_each_batch_of_a_graph(change, monkeypatch):
    """Keras' own AugMix draws them once, while the graph is traced."""
    import tensorflow as tf

    monkeypatch.setattr("vision.augmentation_chains.CHAINS", 1)  # three take 4 s to trace
    (layer,) = augmentation_layers(AugmentationPolicy(**OFF | change), seed=1)
    images = tf.constant(photo())
    run = tf.function(lambda: layer({"images": images}, training=True)["images"], autograph=False)
    sizes = {round(float(tf.reduce_mean(tf.abs(run() - images))), 1) for _ in range(12)}
    assert len(sizes) > 3

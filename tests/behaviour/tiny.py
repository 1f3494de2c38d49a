"""Images, networks and callbacks that the tests of training share."""

import keras
import numpy as np

from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.prepared import LabelledImages

OFF = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, shift=0, brightness=0)
MIXING = OFF.model_copy(update={"mixup": 1.0, "cutmix": 1.0})


def colours(count, seed, side=8):
    """Images whose class is the brightest channel."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.integers(0, 120, (count, side, side, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 100
    return LabelledImages(images, labels)


def bright_channels(count, seed):
    """Images of several labels: those of the channels that are bright."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, (count, 3))
    images = random.integers(0, 120, (count, 8, 8, 3)) + 100 * labels[:, None, None, :]
    return LabelledImages(images.astype(np.uint8), labels)


def convolutional(seed=3, **options):
    keras.utils.set_random_seed(seed)
    return ARCHITECTURES["residual"].build((8, 8, 3), 3, **{"filters": 4, **options})


def linear(seed=3):
    """Trains in a second: no convolution, no batch norm."""
    keras.utils.set_random_seed(seed)
    layers = [
        keras.layers.Rescaling(1 / 127.5, offset=-1.0),
        keras.layers.GlobalAveragePooling2D(name="features"),
        keras.layers.Dense(3, name="logits"),
    ]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers])


class Batches(keras.callbacks.Callback):
    """Counts the training steps."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1


def equal_weights(first, second):
    return all(np.array_equal(*pair) for pair in zip(first.get_weights(), second.get_weights(), strict=True))

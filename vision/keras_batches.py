"""What Keras reads batch by batch, without the pauses that it makes on TensorFlow.

tf.data tunes a pipeline in a thread that sleeps, twice as long each time, up to a minute. An iterator that
ends wakes that thread and waits for it, but in TensorFlow 2.21 it may sleep on, while nothing is done: for
2.4 seconds after six of 25 epochs of 2.7 seconds, and for 50 after some of 80.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vision.image_array import ImageArray

READ_AHEAD = 2  # batches
# At a time, of a network that answers and does not learn: small images, and pixels of larger ones. On 2
# processors an EfficientNetB0 of 224 pixels answers 256 images at a time in 5.2 GB, and 21 in 1.2 GB, as
# fast; 23 GB were too few for an ensemble of two mirrored MobileNetV2 at 256 pixels. Of a GPU nothing was
# measured.
MOST_IMAGES = 256
MOST_PIXELS, MOST_PIXELS_ON_A_GPU = 2**20, 2**23


def images_at_a_time(images: ImageArray) -> int:
    """As many of these images (N, H, W, C) as a network that does not learn should be asked for at once."""
    _, height, width, _ = images.shape
    on_processor = keras.distribution.list_devices()[0].startswith("cpu")
    pixels = MOST_PIXELS if on_processor else MOST_PIXELS_ON_A_GPU
    return max(1, min(MOST_IMAGES, pixels // (height * width)))


class Slices(keras.utils.PyDataset):
    """Images (N, H, W, 3) in their order, `batch_size` at a time; the last batch may be smaller."""

    def __init__(self, images: NDArray[Any], batch_size: int) -> None:
        super().__init__()
        self._images, self._batch_size = images, batch_size

    def __len__(self) -> int:
        return -(-len(self._images) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[Any]]:
        return (self._images[index * self._batch_size :][: self._batch_size],)


def for_keras(batches: keras.utils.PyDataset) -> Any:
    """For `fit` and `predict`: the same batches, in the same order; each epoch asks for them anew.

    All have the structure, dtypes and shapes of the first, but for the first axis.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    def each() -> Iterator[Any]:
        for index in range(len(batches)):
            yield batches[index]

    signature = keras.tree.map_structure(
        lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), batches[0]
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    pipeline = tf.data.Dataset.from_generator(each, output_signature=signature).prefetch(READ_AHEAD)
    return pipeline.apply(tf.data.experimental.assert_cardinality(len(batches))).with_options(options)


def predict(model: keras.Model, images: NDArray[Any], *, batch_size: int) -> NDArray[Any]:
    """What `model.predict` gives for images (N, H, W, 3)."""
    # Of one batch Keras makes no pipeline that could pause for long.
    asked = images if len(images) <= batch_size else for_keras(Slices(images, batch_size))
    return np.asarray(model.predict(asked, batch_size=batch_size if asked is images else None, verbose=0))

"""What a champion makes of images: a row of numbers each, in which like images lie together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.image_array import ImageArray
from vision.runtimes import Splittable

# Images whose feature maps are held at a time: 64 of 14 x 14 x 1,024 are 51 MB.
BATCH = 64


def embed(classifier: ImageClassifier, images: ImageArray) -> NDArray[np.float32]:
    """Embeddings (M, D), float32, of preprocessed images (M, H, W, 3), uint8 0..255.

    The classifier's own feature maps, averaged over their places: the model looks there before it decides,
    so what it cannot tell apart is no drift to it. Where the runtime cannot be split, the logits.
    """
    if not len(images):
        return np.zeros((0, 0), np.float32)
    runtime = classifier.runtime
    split = runtime.split() if isinstance(runtime, Splittable) else None
    if split is None:
        return classifier.logits(images)
    starts = range(0, len(images), BATCH)
    means = [split.features(images[start : start + BATCH]).mean(axis=(1, 2)) for start in starts]
    return np.concatenate(means).astype(np.float32)

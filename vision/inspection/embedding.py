"""Each image as a row of numbers in which images of one class lie together: what label issues are found by.

"descriptor" needs nothing but the pixels and tells drawings and digits apart; photos of things need a
network that has seen photos, "mobilenet_v2" with ImageNet's weights.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.errors import ConfigError
from vision.image_array import ImageArray, Pixels
from vision.parallel import map_in_threads, progress_bar
from vision.quality_config import QualityConfig

Embedding = NDArray[np.float32]
BATCH_SIZE = 64

DESCRIBED_SIDE = 64
# Centres of four windows of half the side each. Three rows of three gave digits 93.7 instead of 93.4 % and
# photos nothing, for twice the time.
CENTRES = (16, 48)
# A SIFT descriptor (Lowe, IJCV 2004) covers 4 x 4 cells, in OpenCV of 1.5 times the key point's size each
# (SIFT_DESCR_SCL_FCTR). OpenCV 5 has no HOGDescriptor any more.
KEY_POINT_SIZE = 32 / 6
COLOUR_BINS, COLOUR_CELLS = 4, 4

# The sides that Keras has weights for; one of these is taken, so photos of over 224 pixels are made smaller.
NETWORK_SIDES = (96, 128, 160, 192, 224)
WHERE = "set config.quality.weights and config.quality.alpha in the YAML"


def embed_images(images: ImageArray, *, config: QualityConfig) -> Embedding:
    """The images' embedding (N, D), by `config.embedding`.

    ConfigError where mobilenet_v2 has no weights, or weights that cannot be read or are of another network.
    """
    if config.embedding == "descriptor":
        return _describe(images)
    return _embed_by_network(images, config)


def _describe(images: ImageArray) -> Embedding:
    """Gradients (dense SIFT, 4 x 128), a histogram of colours (64) and 4 x 4 mean colours (48), 0..1."""
    parts = map_in_threads(
        lambda part: _describe_part(images[part]), _slices(len(images)), description="Describing images"
    )
    return np.concatenate(parts)


def _describe_part(images: Pixels) -> Embedding:
    sift = cv2.SIFT.create()  # one for each call: it keeps buffers, and threads must not share them
    points = [cv2.KeyPoint(x, y, KEY_POINT_SIZE, 0) for y in CENTRES for x in CENTRES]
    rows = []
    for image in images:
        small = _resize(image, DESCRIBED_SIDE)
        _, gradients = sift.compute(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), points)
        colours = cv2.calcHist([small], [0, 1, 2], None, [COLOUR_BINS] * 3, [0, 256] * 3)
        layout = _resize(small, COLOUR_CELLS)
        # The root makes distances those of Hellinger, in which a large plain background counts less.
        shares = np.sqrt(colours.ravel() / colours.sum())
        rows.append(np.concatenate([gradients.ravel() / 512, shares, layout.ravel() / 255]))
    return np.asarray(rows, np.float32)


def _embed_by_network(images: ImageArray, config: QualityConfig) -> Embedding:
    smaller = min(images.shape[1:3])
    side = next((side for side in NETWORK_SIDES if side >= smaller), NETWORK_SIDES[-1])
    network = _load_network(side, config)
    parts = []
    with progress_bar() as bar:
        task = bar.add_task("Embedding images", total=len(images))
        for part in _slices(len(images)):
            pixels = np.stack([_resize(image, side) for image in images[part]])
            # The range for which the published weights were trained: -1..1.
            parts.append(np.asarray(network.predict_on_batch(pixels / np.float32(127.5) - 1), np.float32))
            bar.advance(task, len(pixels))
    return np.concatenate(parts)


def _load_network(side: int, config: QualityConfig) -> Any:
    if config.weights is None:
        raise ConfigError(
            "config.quality.embedding is mobilenet_v2, but config.quality.weights is not set: allowed are"
            f' "imagenet" (downloaded) and a .weights.h5 file of MobileNetV2 without its top; {WHERE}, or'
            " set config.quality.embedding to descriptor"
        )
    import keras  # 4 s

    downloaded = "imagenet" if config.weights == "imagenet" else None
    try:
        network = keras.applications.MobileNetV2(
            (side, side, 3), alpha=config.alpha, include_top=False, weights=downloaded, pooling="avg"
        )
        if downloaded is None:
            network.load_weights(config.weights)
    except Exception as error:  # Keras raises OSError, ValueError and, when a download fails, Exception
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f'the weights "{config.weights}" cannot be loaded into MobileNetV2 of alpha {config.alpha}'
            f" without its top ({type(error).__name__}: {reason}); {WHERE}"
        ) from error
    return network


def _slices(count: int) -> list[slice]:
    return [slice(start, start + BATCH_SIZE) for start in range(0, count, BATCH_SIZE)]


def _resize(image: Pixels, side: int) -> Pixels:
    method = cv2.INTER_AREA if min(image.shape[:2]) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=method))

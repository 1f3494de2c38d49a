"""Grad-CAM (Selvaraju et al. 2017, equations 1 and 2): the feature maps, weighted by the class's gradient.

TensorFlow only, for its GradientTape; on another backend there is no map and the caller occludes.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

BATCH_SIZE = 32
# A map of fewer cells a side cannot say where: small images are pooled down to 2 x 2 or 1 x 1.
MIN_CELLS = 4


def feature_map(model: keras.Model) -> Any | None:
    """The last symbolic (N, h, w, C) tensor of a functional model that has 4 x 4 cells or more.

    Where every map is smaller, the last of more than one cell. None where there is none, where the model
    is no graph, or where Keras does not run on TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        return None
    tensors = [
        tensor for tensor in _tensors(model) if len(tensor.shape) == 4 and None not in tensor.shape[1:3]
    ]
    for cells in (MIN_CELLS, 2):
        fine = [tensor for tensor in tensors if min(tensor.shape[1:3]) >= cells]
        if fine:
            return fine[-1]
    return None


def _tensors(model: keras.Model) -> list[Any]:
    """What the operations of the model's own graph give, in order.

    From the graph and not from each layer's `output`: that of a nested model belongs to another graph
    (tf-keras-vis#63), that of a shared layer is not unique. A subclassed model has no graph.
    """
    graph = getattr(model, "_functional", None) or model  # a Sequential keeps its graph there
    by_depth: dict[int, list[Any]] = getattr(graph, "_nodes_by_depth", {})
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [tensor for node in nodes if not node.is_input for tensor in node.outputs]


def grad_cam(
    model: keras.Model, features: Any, images: NDArray[np.uint8], class_indices: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Maps (N, H, W), float32, not scaled, of images (N, H, W, 3) for one class each."""
    both = keras.Model(model.inputs, [features, model.output])
    starts = range(0, len(images), BATCH_SIZE)
    return np.concatenate(
        [
            _batch(both, images[start : start + BATCH_SIZE], class_indices[start : start + BATCH_SIZE])
            for start in starts
        ]
    )


def _batch(
    both: keras.Model, images: NDArray[np.uint8], class_indices: NDArray[np.int64]
) -> NDArray[np.float32]:
    import tensorflow as tf

    pixels = tf.constant(images, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pixels)  # records also through layers that are frozen
        features, logits = both(pixels, training=False)
        scores = tf.gather(logits, class_indices, batch_dims=1)
    gradients = tape.gradient(scores, features)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1, keepdims=True))
    resized = tf.image.resize(tf.cast(maps, tf.float32), images.shape[1:3], method="bilinear")
    result: NDArray[np.float32] = resized.numpy()[..., 0]
    return result

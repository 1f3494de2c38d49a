"""Grad-CAM and Grad-CAM++: the feature maps, each weighted by what the class's gradient says of it.

TensorFlow only, for its GradientTape; on another backend there is no map and the caller takes another method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vision.runtimes.keras_features import feature_map
from vision.training.averaging import behind_mirror

BATCH_SIZE = 32

# Features and gradients (N, h, w, C) of one score an image -> weights (N, 1, 1, C).
Weigh = Callable[[Any, Any], Any]


def gradient_maps(
    model: keras.Model, images: NDArray[np.uint8], class_indices: NDArray[np.int64], *, weigh: Weigh
) -> NDArray[np.float32] | None:
    """Maps (N, H, W), float32, not scaled, of images (N, H, W, 3) for one class each.

    None where the model has no feature map, or Keras does not run on TensorFlow. Of a mirrored model the mean
    over both views.
    """
    inner = behind_mirror(model)
    if inner is not None:
        given = gradient_maps(inner, images, class_indices, weigh=weigh)
        mirror = gradient_maps(inner, images[:, :, ::-1], class_indices, weigh=weigh)
        return None if given is None or mirror is None else np.float32(0.5) * (given + mirror[:, :, ::-1])
    features = feature_map(model) if keras.backend.backend() == "tensorflow" else None
    if features is None:
        return None
    both = keras.Model(model.input, [features, model.output])
    parts = [slice(start, start + BATCH_SIZE) for start in range(0, len(images), BATCH_SIZE)]
    return np.concatenate([_batch(both, images[part], class_indices[part], weigh) for part in parts])


def grad_cam_weights(features: Any, gradients: Any) -> Any:
    """Selvaraju et al. 2017, equation 1: the mean of the gradient over the map."""
    import tensorflow as tf

    return tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)


def grad_cam_pp_weights(features: Any, gradients: Any) -> Any:
    """Chattopadhay et al. 2018, equations 5 and 19: positive gradients, weighted place by place.

    The weights are never negative, so the map shows what is active more than what speaks for the class: with
    a new, random head it stays almost the same (tests/behaviour/test_explanation.py), where Grad-CAM's does
    not. Only on demand, therefore.

    Of the score exp(logit), whose derivatives are powers of the logit's gradient times exp(logit). That
    factor cancels in alpha; from the weights it is left out, since it scales an image's map as a whole and
    overflows.
    """
    import tensorflow as tf

    total = tf.reduce_sum(features, axis=(1, 2), keepdims=True)
    alpha = tf.math.divide_no_nan(gradients**2, 2 * gradients**2 + total * gradients**3)
    return tf.reduce_sum(alpha * tf.nn.relu(gradients), axis=(1, 2), keepdims=True)


WEIGHTS: dict[str, Weigh] = {"grad_cam": grad_cam_weights, "grad_cam_pp": grad_cam_pp_weights}


def _batch(
    both: keras.Model, images: NDArray[np.uint8], class_indices: NDArray[np.int64], weigh: Weigh
) -> NDArray[np.float32]:
    import tensorflow as tf

    pixels = tf.constant(images, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pixels)  # records also through layers that are frozen
        features, logits = both(pixels, training=False)
        scores = tf.gather(logits, class_indices, batch_dims=1)
    gradients = tf.cast(tape.gradient(scores, features), tf.float32)
    features = tf.cast(features, tf.float32)
    maps = tf.nn.relu(tf.reduce_sum(weigh(features, gradients) * features, axis=-1, keepdims=True))
    resized = tf.image.resize(maps, images.shape[1:3], method="bilinear")
    result: NDArray[np.float32] = resized.numpy()[..., 0]
    return result

"""What a training minimises and watches, for one class an image and for several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray

from vision.errors import ConfigError
from vision.training_config import TrainConfig

# Ridnik et al. 2021 (Asymmetric Loss for Multi-Label Classification), section 3.2: gamma- 4, gamma+ 0,
# margin 0.05.
ASYMMETRIC_GAMMA, ASYMMETRIC_MARGIN = 4.0, 0.05
# A label that one image in a thousand has would weigh as much as all others together.
LARGEST_WEIGHT = 20.0

Labels = NDArray[np.int64]
Targets = NDArray[np.float32]


@dataclass(frozen=True)
class Objective:
    """Loss and score of logits (N, K) against targets (N, K).

    `class_weights` (K,) multiply the loss of an image by those of its classes; None: all count alike.
    """

    loss: keras.losses.Loss
    score: keras.metrics.Metric
    class_weights: Targets | None = None


def training_targets(labels: Labels, num_classes: int) -> Targets:
    """Targets (N, K), float32: one-hot of class indices (N,), multi-label (N, K) as they are."""
    if labels.ndim == 2:
        return labels.astype(np.float32)
    return np.eye(num_classes, dtype=np.float32)[labels]


def score_name(labels: Labels) -> str:
    """Of the score in the history: higher is better."""
    return "accuracy" if labels.ndim == 1 else "average_precision"


def build_objective(config: TrainConfig, labels: Labels, num_classes: int) -> Objective:
    """The objective for training labels (N,) or (N, K); ConfigError where `loss` does not fit them."""
    if labels.ndim == 2:
        return _multi_label(config, labels)
    if config.loss == "asymmetric":
        raise ConfigError(
            "train.loss is asymmetric, which is for images with several labels; allowed for one class an"
            " image are cross_entropy and focal; set config.train.loss"
        )
    smoothing = config.label_smoothing
    loss: keras.losses.Loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing
    )
    if config.loss == "focal":
        loss = keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=config.focal_gamma, from_logits=True, label_smoothing=smoothing
        )
    weights = _balanced(labels, num_classes) if config.class_weights == "balanced" else None
    return Objective(loss, keras.metrics.CategoricalAccuracy(name="accuracy"), weights)


def _multi_label(config: TrainConfig, labels: Labels) -> Objective:
    score = keras.metrics.AUC(
        curve="PR", multi_label=True, num_labels=labels.shape[1], from_logits=True, name="average_precision"
    )
    return Objective(_multi_label_loss(config, labels), score)


def _multi_label_loss(config: TrainConfig, labels: Labels) -> keras.losses.Loss:
    smoothing, balanced = config.label_smoothing, config.class_weights == "balanced"
    if balanced and config.loss != "cross_entropy":
        raise ConfigError(
            f"train.class_weights is balanced and train.loss is {config.loss}, which balances by itself: for"
            " images with several labels allowed is balanced with cross_entropy; set config.train.loss, or"
            " config.train.class_weights to none"
        )
    if balanced:
        return WeightedBinaryCrossentropy(_balanced_positives(labels), label_smoothing=smoothing)
    if config.loss == "asymmetric":
        return AsymmetricLoss(label_smoothing=smoothing)
    if config.loss == "focal":
        return keras.losses.BinaryFocalCrossentropy(
            gamma=config.focal_gamma, from_logits=True, label_smoothing=smoothing
        )
    return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)


def _balanced(labels: Labels, num_classes: int) -> Targets:
    """Weights (K,) of scikit-learn's class_weight="balanced"; a class without images weighs 1."""
    counts = np.bincount(labels, minlength=num_classes)
    balanced = np.minimum(len(labels) / (num_classes * np.maximum(counts, 1)), LARGEST_WEIGHT)
    weights: Targets = np.where(counts, balanced, 1.0).astype(np.float32)
    return weights


def _balanced_positives(labels: Labels) -> Targets:
    """Negatives over positives of each label (K,)."""
    positives = labels.sum(axis=0)
    ratio = (len(labels) - positives) / np.maximum(positives, 1)
    weights: Targets = np.clip(ratio, 1 / LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.float32)
    return weights


class AsymmetricLoss(keras.losses.Loss):
    """Ridnik et al. 2021, equations 4 to 6: easy negatives count little, very easy ones not at all."""

    def __init__(self, *, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self._label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> KerasTensor:
        targets = _smoothed(y_true, self._label_smoothing, y_pred.dtype)
        shifted = ops.maximum(ops.sigmoid(y_pred) - ASYMMETRIC_MARGIN, 0.0)
        negative = shifted**ASYMMETRIC_GAMMA * ops.log(1.0 - shifted)  # at most 1 - margin, so no log of 0
        return -ops.mean(targets * ops.log_sigmoid(y_pred) + (1.0 - targets) * negative, axis=-1)


class WeightedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy in which a label that is there counts `positive_weights` (K,) times."""

    def __init__(self, positive_weights: Targets, *, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self._weights, self._label_smoothing = positive_weights, label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> KerasTensor:
        targets = _smoothed(y_true, self._label_smoothing, y_pred.dtype)
        present = self._weights * targets * ops.log_sigmoid(y_pred)
        return -ops.mean(present + (1.0 - targets) * ops.log_sigmoid(-y_pred), axis=-1)


def _smoothed(targets: Any, smoothing: float, dtype: Any) -> KerasTensor:
    """As Keras' binary losses do it: half of `smoothing` to either answer."""
    return ops.cast(targets, dtype) * (1.0 - smoothing) + 0.5 * smoothing

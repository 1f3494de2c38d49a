"""What a model must beat: logistic regression on frozen features, and always saying the prior."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.workspace import Workspace
from vision.config import TrainConfig
from vision.model_config import ModelConfig
from vision.prepared import PreparedImages
from vision.training.network import build_network

# Inverse strengths of the L2 penalty, chosen on validation.
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)

Features = NDArray[np.float32]
Probabilities = NDArray[np.float64]


def only_prepared(home: Path) -> PreparedImages:
    """The images of the one training that a new workspace has seen; the gate prepares test images alone."""
    folders = (path for path in (Workspace(home).prepared / "sets").iterdir() if path.is_dir())
    (prepared,) = (found for found in map(PreparedImages.open, folders) if len(found.labels("train")))
    return prepared


def frozen_features(prepared: PreparedImages, *, weights: Path, alpha: float) -> dict[str, Features]:
    """MobileNetV2's pooled features (N, D) of each split, of the pixels that the model sees too."""
    import keras

    height, width = prepared.preprocessing.image_size
    network = build_network(
        ModelConfig(name="mobilenet_v2", weights=str(weights), options={"alpha": alpha}),
        (height, width, 3),
        len(prepared.class_names),
        config=TrainConfig(),
        train_images=prepared.images("train"),
    )
    features = keras.Model(network.input, network.get_layer("features").output)
    return {
        split: features.predict(prepared.images(split)[:], batch_size=64, verbose=0)
        for split in ("train", "validation", "test")
    }


def logistic_regression(features: dict[str, Features], prepared: PreparedImages) -> Probabilities:
    """Probabilities (N, K) of the test images; one classifier a label where an image may have several."""
    labels = {split: prepared.labels(split) for split in features}
    if not prepared.is_multi_label:
        return _fitted(features, labels)
    columns = [
        _fitted(features, {split: values[:, label] for split, values in labels.items()})
        for label in range(len(prepared.class_names))
    ]
    return np.stack([column[:, -1] for column in columns], axis=1)


def _fitted(features: dict[str, Features], labels: dict[str, NDArray[np.int64]]) -> Probabilities:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = np.unique(labels["train"])
    if len(classes) == 1:  # a label that every image has
        return np.ones((len(features["test"]), 1))

    def fit(strength: float) -> Any:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        return model.fit(features["train"], labels["train"])

    def loss(model: Any) -> float:
        probabilities = model.predict_proba(features["validation"])
        return float(log_loss(labels["validation"], probabilities, labels=classes))

    best = min((fit(strength) for strength in STRENGTHS), key=loss)
    probabilities: Probabilities = best.predict_proba(features["test"])
    return probabilities


def prior(prepared: PreparedImages) -> Probabilities:
    """The shares of the training labels, said of every test image (N, K)."""
    shares = prepared.labels("train").mean(axis=0)
    return np.tile(shares, (len(prepared.labels("test")), 1))

"""What every network ends in: the vector "features" (N, D), then "logits" (N, K).

Several classes and several labels have the same head; only the loss and ImageClassifier tell them apart.
"""

from __future__ import annotations

from keras import KerasTensor, layers


def classification_head(x: KerasTensor, num_classes: int, *, dropout: float = 0.0) -> KerasTensor:
    """Logits (N, K), float32, of feature maps (N, h, w, C): their mean over the image, and one layer."""
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return logits(features, num_classes, dropout=dropout)


def logits(x: KerasTensor, num_classes: int, *, dropout: float = 0.0) -> KerasTensor:
    """Logits (N, K) of vectors (N, D); in float32 also where the rest computes in bfloat16."""
    x = layers.Dropout(dropout)(x)
    return layers.Dense(num_classes, name="logits", dtype="float32")(x)

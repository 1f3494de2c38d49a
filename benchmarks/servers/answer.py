"""What every server answers: the five likeliest classes, by the classifier that our service has too."""

from __future__ import annotations

import os
from pathlib import Path

from vision.classifier import ImageClassifier, Probabilities

PORT = int(os.environ.get("PORT", "0"))
PROCESSES = os.cpu_count() or 1


def open_classifier() -> ImageClassifier:
    return ImageClassifier.load(Path(os.environ["BUNDLE"]))


def likeliest(classifier: ImageClassifier, probabilities: Probabilities) -> list[dict[str, object]]:
    order = (-probabilities).argsort()[:5]
    return [{"name": classifier.class_names[i], "probability": float(probabilities[i])} for i in order]

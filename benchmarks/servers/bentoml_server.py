"""BentoML's batchable API, one process: it gathers requests, one thread answers a batch."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import bentoml
import numpy as np

from benchmarks.servers.answer import PORT, likeliest, open_classifier


@bentoml.service(name="classifier", traffic={"timeout": 60})
class Classifier:
    def __init__(self) -> None:
        self.classifier = open_classifier()

    @bentoml.api(batchable=True, max_batch_size=32)
    def classify(self, images: list[Path]) -> list[dict[str, Any]]:
        pixels = [self.classifier.preprocessing.apply(image.read_bytes()) for image in images]
        probabilities = self.classifier.predict(np.stack(pixels))
        return [{"classes": likeliest(self.classifier, row)} for row in probabilities]


if __name__ == "__main__":
    service = "benchmarks.servers.bentoml_server:Classifier"
    command = [sys.executable, "-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", str(PORT)]
    os.execve(sys.executable, command, os.environ | {"BENTOML_DO_NOT_TRACK": "True"})

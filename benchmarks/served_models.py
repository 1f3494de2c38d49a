"""Champions made for a benchmark of the service: an architecture with random weights, in int8."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np

from models import ARCHITECTURES
from registry.bundles import store_bundle
from registry.pointer import ChampionPointer, write_pointer
from registry.workspace import Workspace
from vision.classifier import ImageClassifier
from vision.exporting.converters import export_saved_model, to_litert, to_openvino
from vision.preprocessing import Preprocessing
from vision.uncertainty.rules import SetRule, Uncertainty

CONVERTERS = {"litert": to_litert, "openvino": to_openvino}
SIDE, CLASSES, CALIBRATION_IMAGES = 224, 100, 32


def store_model(workspace: Workspace, architecture: str, *, runtime: str = "litert") -> None:
    """Version 1 of a model that is called as its architecture, and is champion."""
    keras.utils.set_random_seed(1)
    network = ARCHITECTURES[architecture].build((SIDE, SIDE, 3), CLASSES)
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (CALIBRATION_IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        converted = CONVERTERS[runtime](export_saved_model(network, Path(folder)), images)
    classifier = ImageClassifier(
        converted,
        Preprocessing(image_size=(SIDE, SIDE)),
        tuple(f"class {number}" for number in range(CLASSES)),
        # Two or three classes in a set, as of a trained model; random weights would put 90 in each.
        uncertainty=Uncertainty(sets=SetRule(method="aps", coverage=0.9, limits=(0.02,))),
    )
    digest = store_bundle(workspace, architecture, 1, classifier, samples={}, description={})
    write_pointer(workspace, ChampionPointer(architecture, 1, digest))

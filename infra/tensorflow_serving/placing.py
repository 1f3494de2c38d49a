"""Exports side by side, as TensorFlow Serving reads them: a folder a model, in it a folder a version."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from infra.tensorflow_serving.c_library import run_by_c_library
from infra.tensorflow_serving.export_check import ServingExport, check_export, signatures_of
from vision.bundle import atomic_folder
from vision.classifier import ImageClassifier
from vision.errors import BundleError, ConfigError

SIGNATURE, INPUT, OUTPUT = "serving_default", "images", "probabilities"
# Rows of the request that both are given; other than the one of the warm-up, so that the shape is new.
ROWS = 3
TOLERANCE = 1e-4


def place_export(export: Path, model: Path, version: int) -> Path:
    """The new folder of that version, whole or not at all.

    ConfigError where the version is there already: TensorFlow Serving loads a version once, and would not see
    another in its place. BundleError for an export that `check_export` refuses.
    """
    if version < 1:
        raise ConfigError(f"version {version} is not allowed, 1 or more is; set --version")
    target = model / str(version)
    if target.exists():
        raise ConfigError(
            f"{target} is there already, and a version is never replaced: set --version to a new number"
        )
    source = check_export(export).folder
    with atomic_folder(target) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
    return target


def compare_with_c_library(export: Path, checked: ServingExport) -> float:
    """The largest difference of a probability between TensorFlow's C library and Python, at most TOLERANCE.

    On three images of noise. BundleError where it is larger, or the library reads other signatures.
    """
    signature = checked.signatures[SIGNATURE]
    shape = (ROWS, *signature.inputs[INPUT].shape[1:])
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    graph, (received,) = run_by_c_library(
        checked.folder,
        images.astype(np.float32),
        source=signature.tensors[INPUT],
        results=[signature.tensors[OUTPUT]],
    )
    _check_signatures(graph, checked)
    difference = float(np.abs(received - ImageClassifier.load(export).predict(images)).max())
    if not difference <= TOLERANCE:
        raise BundleError(
            f"{export}: TensorFlow's C library and Python differ by {difference:.3g} in a probability, at"
            f" most {TOLERANCE:g} is allowed: export again"
        )
    return difference


def _check_signatures(graph: bytes, checked: ServingExport) -> None:
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    if signatures_of(MetaGraphDef.FromString(graph)) != checked.signatures:
        raise BundleError(f"TensorFlow's C library reads other signatures of {checked.folder} than its file")

"""What the search for a smaller model makes of the champions of CIFAR-10 and groceries.

Beside them the trained network as .keras and as SavedModel, and int8 by NNCF as it comes. Validation images
alone decide; test images are looked at once, at the end.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nncf
import numpy as np
import openvino as ov
import yaml
from scipy.stats import entropy

from benchmarks.baselines import only_prepared
from benchmarks.record import ROOT, table, write_section
from benchmarks.runs import KEPT
from registry.origins import trained_network
from registry.pointer import read_pointer
from registry.versions import get_version
from registry.workspace import Workspace
from vision.augmentation_policy import AugmentationPolicy
from vision.calibration import calibrate_classifier
from vision.classifier import ImageClassifier, Probabilities
from vision.compression.compress import compress_classifier
from vision.compression.latency import paired_latency_ms
from vision.compression_config import CompressConfig
from vision.exporting.converters import export_saved_model, to_openvino
from vision.exporting.files import export_serving
from vision.metrics import measure
from vision.paired import compare_models, in_words
from vision.prepared import PreparedImages
from vision.runtimes import load_runtime
from vision.runtimes.keras_runtime import KerasRuntime
from vision.runtimes.openvino_runtime import OpenVINORuntime

# Of groceries conversions alone: of 296 validation images no half of a point can be shown. CIFAR-10's network
# is also pruned, to less than half of its parameters, and eight times smaller is asked for; of its 2,500
# validation images the upper end of a loss of half a point is at about 1.2.
SEARCH = {
    "cifar10": CompressConfig.model_validate(
        {
            "max_accuracy_drop": 1.2,
            "max_megabytes": 2.31,
            "precisions": ["float32", "bfloat16", "int8", "int8_float_stem"],
            "prune": {
                "shares": [0.32],
                "distil": True,
                "train": {
                    "recipe": "fast", "epochs": 20, "batch_size": 250, "learning_rate": 0.15,
                    "weight_decay": 0.005, "warm_up_share": 0.1,
                },
            },
            "trials": 18,
        }
    ),
    "grocery": CompressConfig(),
}  # fmt: skip
CALIBRATION_IMAGES = SEARCH["grocery"].calibration_images


def cifar10() -> None:
    write_section("compression-cifar10", _champion("cifar10"))


def grocery() -> None:
    write_section("compression-grocery", _champion("grocery"))


def _champion(name: str) -> str:
    original, prepared = trained_champion(name)
    policy = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())["parameters"]["config"][
        "augment"
    ]
    made = compress_classifier(original, prepared, SEARCH[name], policy=AugmentationPolicy(**policy), seed=1)
    rows = [
        (row.title or "as trained", row.runtime, row.precision, f"{row.accuracy:.4f}",
         f"{row.highest_drop_points:.2f}", f"{row.size_bytes / 1e6:.2f}", f"{row.latency_ms:.2f}",
         "**serves**" if row.is_chosen else row.failure)
        for row in made.table.rows
    ]  # fmt: skip
    head = ("network", "runtime", "precision", "validation accuracy", "points lost, at most", "MB", "ms", "")
    return f"{table(head, rows)}\n\n{_on_test_images(original, made.servable, prepared)}"


def trained_champion(name: str) -> tuple[ImageClassifier, PreparedImages]:
    """The champion as it was trained, calibrated; SystemExit where the benchmark of that name has not run."""
    workspace = Workspace(KEPT / name)
    if not workspace.root.is_dir():
        raise SystemExit(f"{workspace.root} is not there: run `python -m benchmarks {name}` first")
    version = get_version(workspace, name, read_pointer(workspace, name).version)
    prepared = only_prepared(workspace.root)
    champion = ImageClassifier.load(version.bundle)
    network = champion.with_runtime(trained_network(workspace, version))
    return calibrate_classifier(network, prepared.labelled("validation"), seed=1), prepared


def _on_test_images(original: ImageClassifier, servable: ImageClassifier, prepared: PreparedImages) -> str:
    test, calibration = prepared.labelled("test"), _calibration(prepared)
    with tempfile.TemporaryDirectory() as folder:
        export_serving(original, Path(folder), None)
        rows = {
            "what serves": servable,
            "Keras": original,
            "its SavedModel": original.with_runtime(load_runtime("saved_model", Path(folder), "float32")),
            "int8 by Sightline": original.with_runtime(_by_us(original, calibration)),
            "int8 with a float stem": original.with_runtime(_by_us(original, calibration, float_stem=True)),
            "int8 by NNCF's defaults": original.with_runtime(_by_nncf(original, calibration)),
            "int8 by Keras' quantize": original.with_runtime(_by_keras(original)),
        }
        times = dict(zip(rows, paired_latency_ms(list(rows.values()), test.images[:1]), strict=True))
        answers = {name: classifier.predict(test.images) for name, classifier in rows.items()}
        lines = [
            (name, f"{measure('accuracy', test.labels, answers[name], thresholds=()):.4f}",
             f"{_divergence(answers['Keras'], answers[name]):.5f}",
             f"{classifier.size_bytes / 1e6:.2f}", f"{times[name]:.2f}")
            for name, classifier in rows.items()
        ]  # fmt: skip
    compared = compare_models(
        test.labels, answers["Keras"], answers["what serves"], prepared.class_names,
        names=("the trained network", "what serves"),
    )  # fmt: skip
    size, speed = original.size_bytes / servable.size_bytes, times["its SavedModel"] / times["what serves"]
    return (
        f"{table(('', 'test accuracy', 'divergence from Keras', 'MB', 'one image, ms'), lines)}\n\n"
        f"**{size:.1f} times smaller** than its .keras, **{speed:.1f} times as fast** as its SavedModel."
        f" On {len(test.labels):,} test images: {in_words(compared)}"
    )


def _calibration(prepared: PreparedImages) -> np.ndarray:
    training = prepared.images("train")
    return training[:: max(1, len(training) // CALIBRATION_IMAGES)]


def _divergence(expected: Probabilities, received: Probabilities) -> float:
    """Mean Kullback-Leibler divergence in nats, which hardly depends on the few images near a border."""
    return float(entropy(expected, np.maximum(received, np.finfo(float).tiny), axis=1).mean())


def _by_us(
    original: ImageClassifier, calibration: np.ndarray, *, float_stem: bool = False
) -> OpenVINORuntime:
    with tempfile.TemporaryDirectory() as folder:
        saved_model = export_saved_model(original.runtime.model, Path(folder) / "model")
        return to_openvino(saved_model, calibration, float_stem=float_stem)


def _by_nncf(original: ImageClassifier, calibration: np.ndarray) -> OpenVINORuntime:
    with tempfile.TemporaryDirectory() as folder:
        model = ov.convert_model(str(export_saved_model(original.runtime.model, Path(folder) / "model")))
    samples = nncf.Dataset([image[None].astype(np.float32) for image in calibration])
    return OpenVINORuntime(nncf.quantize(model, samples), "int8")


def _by_keras(original: ImageClassifier) -> KerasRuntime:
    """Dense layers alone: convolutions have no int8 in Keras."""
    with tempfile.TemporaryDirectory() as folder:
        original.runtime.save(Path(folder))
        runtime = load_runtime("keras", Path(folder), "int8")
    runtime.model.quantize("int8")
    return runtime

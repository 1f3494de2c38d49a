"""CNN A of the reference on groceries at 224 x 224: whole, pruned, in int8; and how near the limit."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import keras
import numpy as np

from benchmarks.baselines import only_prepared
from benchmarks.int8_peak import int8_peak
from benchmarks.int8_share import without_amx
from benchmarks.record import table, write_section
from benchmarks.runs import KEPT, kept_home, only_prepare, read_config
from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.calibration import calibrate_classifier
from vision.classifier import ImageClassifier
from vision.compression.candidates import convert
from vision.compression.data import CompressionData
from vision.compression.latency import paired_latency_ms
from vision.compression.pruning.prune import prune
from vision.exporting.files import export_serving
from vision.metrics import measure
from vision.model_facts import flops
from vision.paired import compare_models, in_words
from vision.prepared import LabelledImages, PreparedImages
from vision.runtimes import load_runtime
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training.fit import fit_model
from vision.training.precision import dtype_policy, in_precision
from vision.training.teacher import Teacher
from vision.training_config import TrainConfig

TRAINED, NARROWED, PREPARED = KEPT / "reference-a", KEPT / "reference-a-narrow", KEPT / "groceries"
IMAGE_SIZE = (224, 224)
# The network ends in a global average, so what it learned of small images is where the large ones begin.
SMALL_SIDE = 96
SMALL = TrainConfig(
    epochs=24, optimizer="adamw", learning_rate=1e-3, weight_decay=0.01, schedule="cosine", clip_norm=1.0,
    label_smoothing=0.1, early_stopping_patience=None, precision="auto",
)  # fmt: skip
LARGE = SMALL.model_copy(update={"epochs": 4, "learning_rate": 4e-4})
PRUNED = 0.5
# Of large images alone, which the network that teaches saw last.
AFTER_PRUNING = SMALL.model_copy(update={"epochs": 20})
POLICY = AugmentationPolicy(rotation_degrees=10, zoom=0.2, shift=0.1, brightness=0.2)
CALIBRATION_IMAGES = 300
RUNTIMES = ("litert", "openvino")


def main() -> None:
    prepared = groceries()
    whole = trained_reference_a(prepared)
    data = _compression_data(prepared)
    pruned = _kept(NARROWED, lambda: _narrowed(whole, data))
    with tempfile.TemporaryDirectory() as folder:
        export_serving(whole, Path(folder), None)
        served = whole.with_runtime(load_runtime("saved_model", Path(folder), "float32"))
        rows = {"Keras": (whole, whole), "SavedModel signature": (served, whole)}
        for name, network in (("", whole), ("pruned, ", pruned)):
            for made in convert(network, data.calibration, RUNTIMES):
                rows[f"{name}{made.runtime.name} {made.runtime.precision}"] = (made, network)
        write_section("reference-a", _report(rows, prepared.labelled("test")))


def groceries() -> PreparedImages:
    """As an earlier run left them, or prepared by the steps of the pipeline before training."""
    if not PREPARED.is_dir():
        config = read_config("configs/grocery.yaml")
        config["parameters"]["config"]["prepare"]["image_size"] = list(IMAGE_SIZE)
        only_prepare(config, kept_home(PREPARED.name))
    return only_prepared(PREPARED)


def trained_reference_a(prepared: PreparedImages) -> ImageClassifier:
    """The network that an earlier run left, or a new one."""
    return _kept(TRAINED, lambda: _trained(prepared))


def _kept(folder: Path, make: Callable[[], ImageClassifier]) -> ImageClassifier:
    if not folder.is_dir():
        make().save(folder)
    return ImageClassifier.load(folder)


def _trained(prepared: PreparedImages) -> ImageClassifier:
    keras.utils.set_random_seed(1)
    shape = prepared.images("train").shape[1:]
    network = ARCHITECTURES["reference_a"].build(shape, len(prepared.class_names))
    training, validation = prepared.labelled("train"), prepared.labelled("validation")
    _fit(network, _shrunk(training), _shrunk(validation), SMALL)
    _fit(network, training, validation, LARGE)
    classifier = ImageClassifier(KerasRuntime(network), prepared.preprocessing, prepared.class_names)
    return calibrate_classifier(classifier, validation, seed=1)


def _narrowed(whole: ImageClassifier, data: CompressionData) -> ImageClassifier:
    """Fewer channels, trained by the answers of the whole network too."""
    pruned = prune(whole, data, share=PRUNED, config=None)
    network = pruned.runtime.model
    _fit(network, data.training, data.validation, AFTER_PRUNING, teacher=whole.runtime.model)
    return calibrate_classifier(pruned, data.validation, seed=1)


def _fit(
    network: keras.Model,
    training: LabelledImages,
    validation: LabelledImages,
    config: TrainConfig,
    *,
    teacher: keras.Model | None = None,
) -> None:
    """In place, in the fastest precision."""
    shape = training.images.shape[1:]
    working = _working(network, shape)
    teaches = Teacher(_working(teacher, shape), "multi_class") if teacher else None
    fit_model(working, training, validation, policy=POLICY, config=config, seed=1, teacher=teaches)
    network.set_weights(working.get_weights())


def _working(network: keras.Model, shape: tuple[int, ...]) -> keras.Model:
    """The same for images of another size: the network ends in an average over them."""
    resized = keras.models.clone_model(network, input_tensors=keras.Input(shape))
    resized.set_weights(network.get_weights())
    return in_precision(resized, dtype_policy(SMALL.precision))


def _shrunk(data: LabelledImages) -> LabelledImages:
    size = (SMALL_SIDE, SMALL_SIDE)
    images = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in data.images[:]]
    return LabelledImages(np.stack(images), data.labels)


def _compression_data(prepared: PreparedImages) -> CompressionData:
    training = prepared.labelled("train")
    drawn = np.random.default_rng(1).choice(len(training.labels), CALIBRATION_IMAGES, replace=False)
    return CompressionData(
        training, prepared.labelled("validation"), training.images[np.sort(drawn)], POLICY, seed=1
    )


def _report(rows: dict[str, tuple[ImageClassifier, ImageClassifier]], test: LabelledImages) -> str:
    """Each row: what is measured, and the Keras network that it was made of, for the work that it does."""
    answers = {name: made.predict(test.images) for name, (made, _) in rows.items()}
    times = paired_latency_ms([made for made, _ in rows.values()], test.images[:1])
    whole, peak = rows["Keras"][0], int8_peak()
    lines, fastest = [], {}
    for (name, (made, network)), ms in zip(rows.items(), times, strict=True):
        work = flops(network.runtime.model)
        share = f"{work / 2 / ms * 1000 / peak:.0%}" if made.runtime.precision == "int8" else ""
        accuracy = measure("accuracy", test.labels, answers[name], thresholds=())
        smaller = f"{whole.size_bytes / made.size_bytes:.1f}"
        lines.append(
            (name, f"{work / 2e9:.2f}", f"{accuracy:.4f}", f"{made.size_bytes / 1e6:.2f}", smaller,
             f"{ms:.2f}", f"{times[1] / ms:.1f}", share)
        )  # fmt: skip
        kind = "pruned and in int8" if name.startswith("pruned") else "int8"
        if made.runtime.precision == "int8" and ms < fastest.get(kind, ("", np.inf))[1]:
            fastest[kind] = (name, ms)
    head = (
        "CNN A", "GMAC", "test accuracy", "MB", "times smaller than .keras", "one image, ms",
        "times as fast as the SavedModel", "of the int8 peak",
    )  # fmt: skip
    told = [_compared(test, answers, kind, name) for kind, (name, _) in fastest.items()]
    reached = f"The int8 peak, the best of large layers in OpenVINO: {peak / 1e9:,.0f} GMAC/s."
    made, network = rows["openvino int8"]
    plain = without_amx(made, flops(network.runtime.model) / 2)
    return "\n\n".join((table(head, lines), f"{reached} {plain}".strip(), *told))


def _compared(test: LabelledImages, answers: dict[str, np.ndarray], kind: str, name: str) -> str:
    classes = tuple(map(str, range(answers[name].shape[1])))
    compared = compare_models(
        test.labels,
        answers["Keras"],
        answers[name],
        classes,
        names=("the trained network", f"{kind} ({name})"),
    )
    return in_words(compared)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")

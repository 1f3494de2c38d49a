"""Every architecture: size, work, latency, and what it learns of CIFAR-10 in equal seconds."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np

from benchmarks.cifar10_arrays import divided, read_cifar10
from benchmarks.record import table, write_section
from benchmarks.runs import KEPT
from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.bundle import write_atomically
from vision.classifier import ImageClassifier
from vision.compression.latency import paired_latency_ms
from vision.exporting.converters import EXPORTERS, export_saved_model
from vision.model_config import ModelConfig
from vision.model_facts import flops
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.training.fit import fit_model
from vision.training.network import build_network
from vision.training_config import TrainConfig

BUDGET_SECONDS = 60
FINISHED = KEPT / "architectures.json"
SIDE = 224  # of parameters, work and latency
CIFAR_SIDE = 32
VALIDATION_IMAGES = 5000  # of the training images; the test images are not touched
BATCH_SIZE = 64
TRIAL_BATCHES = 10
POLICY = AugmentationPolicy(rotation_degrees=0, zoom=0, brightness=0, shift=0.0625)
# One recipe for all, chosen before: whoever needs another is at a disadvantage here.
CONFIG = TrainConfig(
    epochs=1, batch_size=BATCH_SIZE, optimizer="adamw", learning_rate=2e-3, weight_decay=0.01,
    schedule="cosine", label_smoothing=0.1, clip_norm=1.0, early_stopping_patience=None,
)  # fmt: skip


def main() -> None:
    validation, train = divided(read_cifar10("train"), VALIDATION_IMAGES)
    rows = _remembered()
    for name in ARCHITECTURES:
        if name not in rows:
            rows[name] = _row(name, train, validation)
            write_atomically(FINISHED, json.dumps(rows))
            print(f"{len(rows)} of {len(ARCHITECTURES)}:", *rows[name], flush=True)
    head = (
        "architecture",
        "parameters, M",
        "GFLOPs",
        "LiteRT, ms",
        "CIFAR-10 side",
        "images seen",
        "accuracy",
    )
    best_first = sorted(rows.values(), key=lambda row: str(row[-1]), reverse=True)
    write_section("architectures", table(head, best_first))
    FINISHED.unlink()


def _remembered() -> dict[str, Sequence[object]]:
    """The rows of a run that was stopped: all of them take an hour."""
    return json.loads(FINISHED.read_text()) if FINISHED.is_file() else {}


def _row(name: str, train: LabelledImages, validation: LabelledImages) -> Sequence[object]:
    keras.utils.set_random_seed(1)
    network = ARCHITECTURES[name].build((SIDE, SIDE, 3), 1000)
    parameters, work, latency = network.count_params(), flops(network), _latency_ms(network)
    del network
    side = max(CIFAR_SIDE, ARCHITECTURES[name].smallest_side)
    seen, accuracy = _learned(name, _resized(train, side), _resized(validation, side))
    keras.backend.clear_session()
    return (
        name, f"{parameters / 1e6:.2f}", f"{work / 1e9:.2f}", f"{latency:.1f}", side, f"{seen:,}",
        f"{accuracy:.3f}",
    )  # fmt: skip


def _learned(name: str, train: LabelledImages, validation: LabelledImages) -> tuple[int, float]:
    """Images seen and validation accuracy after BUDGET_SECONDS of batches."""
    images = round(BUDGET_SECONDS / _seconds_a_batch(name, train)) * BATCH_SIZE
    epochs, rest = divmod(images, len(train.images))
    few = LabelledImages(train.images[: max(rest, BATCH_SIZE)], train.labels[: max(rest, BATCH_SIZE)])
    config = CONFIG.model_copy(update={"epochs": max(1, epochs)})
    network = _network(name, train)
    result = fit_model(network, train if epochs else few, validation, policy=POLICY, config=config, seed=1)
    return max(1, epochs) * len(train.images if epochs else few.images), result.history["val_accuracy"][-1]


def _seconds_a_batch(name: str, train: LabelledImages) -> float:
    """Of the second epoch of a trial: the first compiles."""
    few = LabelledImages(
        train.images[: TRIAL_BATCHES * BATCH_SIZE], train.labels[: TRIAL_BATCHES * BATCH_SIZE]
    )
    one = LabelledImages(train.images[:BATCH_SIZE], train.labels[:BATCH_SIZE])
    times: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: times.append(time.perf_counter()),
        on_test_begin=lambda logs: times.append(time.perf_counter()),
    )
    config = CONFIG.model_copy(update={"epochs": 2})
    fit_model(_network(name, train), few, one, policy=POLICY, config=config, seed=1, callbacks=[clock])
    return (times[3] - times[2]) / TRIAL_BATCHES


def _network(name: str, train: LabelledImages) -> keras.Model:
    keras.utils.set_random_seed(1)
    shape = train.images.shape[1:]
    return build_network(ModelConfig(name=name), shape, 10, config=CONFIG, train_images=train.images)


def _latency_ms(network: keras.Model) -> float:
    with tempfile.TemporaryDirectory() as folder:
        runtime = EXPORTERS["litert"](export_saved_model(network, Path(folder)), None)
    preprocessing = Preprocessing(image_size=(SIDE, SIDE))
    classifier = ImageClassifier(runtime, preprocessing, tuple(map(str, range(1000))))
    return paired_latency_ms([classifier], np.zeros((1, SIDE, SIDE, 3), np.uint8))[0]


def _resized(data: LabelledImages, side: int) -> LabelledImages:
    if side == CIFAR_SIDE:
        return data
    return LabelledImages(
        np.stack([cv2.resize(image, (side, side)) for image in data.images[:]]), data.labels
    )


if __name__ == "__main__":
    main()

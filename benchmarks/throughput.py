"""Images a second of training, beside a bare Keras fit and beside Keras' own folder reader, taking turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import keras
import numpy as np
from PIL import Image

from benchmarks.cifar10_arrays import divided, read_cifar10
from benchmarks.record import ROOT, table, write_section
from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.config_file import load_config
from vision.prepared import LabelledImages
from vision.training.fit import fit_model
from vision.training.precision import computing_in, dtype_policy
from vision.training.train import TrainingPlan, train_network
from vision.training_config import TrainConfig

OFF = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, shift=0, brightness=0)
CONFIG = TrainConfig(
    epochs=1, batch_size=64, optimizer="sgd", learning_rate=0.01, early_stopping_patience=None
)
ROUNDS = 5
WHOLE = "configs/cifar10-fast.yaml"


class Case(NamedTuple):
    """`name` and `options` of a network, `count` images of side x side pixels, TrainConfig.precision."""

    name: str
    options: dict[str, int]
    side: int
    count: int
    precision: str
    frozen: bool = False  # its batch norm, as in fine-tuning

    def network(self) -> keras.Model:
        with computing_in(dtype_policy(self.precision)):
            model = ARCHITECTURES[self.name].build((self.side, self.side, 3), 10, **self.options)
        for layer in model.layers:
            if self.frozen and isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        return model


# A small net for which bookkeeping weighs most, a larger one, and in the fastest precision of the machine the
# network of configs/cifar10.yaml and the reference's.
CASES = (
    Case("residual", {"filters": 16}, 32, 3200, "float32"),
    Case("reference_b", {}, 64, 1280, "float32"),
    Case("fast", {"width": 128, "widest": 384}, 32, 1280, "auto"),
    Case("reference_a", {}, 96, 256, "auto"),
)
FINE_TUNING = (
    Case("mobilenet_v2", {}, 224, 256, "float32", frozen=True),
    Case("efficientnet_b0", {}, 224, 256, "float32", frozen=True),
)


def main() -> None:
    write_section("throughput", f"{_table(CASES)}\n\n{_whole_training()}")


def fine_tuning() -> None:
    """The same of what starts from pretrained weights."""
    write_section("throughput-fine-tuning", _table(FINE_TUNING))


def _table(cases: Sequence[Case]) -> str:
    rows = []
    for case in cases:
        shape = (case.count, case.side, case.side, 3)
        images = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        labels = np.arange(case.count) % 10
        with tempfile.TemporaryDirectory() as folder:
            _write_files(images, labels, Path(folder))
            rows.append(_row(case, images, labels, Path(folder)))
    head = (
        "network", "policy", "side", "bare fit on arrays, images/s", "fit_model, images/s",
        "ratio, median of 5 pairs", "range", "with the bare fit's pause",
        "image_dataset_from_directory + fit, images/s", "times faster",
    )  # fmt: skip
    return table(head, rows)


def _row(case: Case, images: np.ndarray, labels: np.ndarray, folder: Path) -> tuple[object, ...]:
    """Each runs once to warm up, then all take turns; one epoch each time, of which the batches are timed.

    A bare fit returns later than its last batch: TensorFlow takes the pipeline down (vision.keras_batches).
    """
    runs = (
        _bare(case.network(), images, labels),
        _ours(case.network(), images, labels),
        _folder(case.network(), folder, images.shape[1:3]),
    )
    rounds = [[run() for run in runs] for _ in range(ROUNDS + 1)][1:]
    bare, ours, files = (
        len(images) / median(times.batches for times in column) for column in zip(*rounds, strict=True)
    )
    ratios = [bare.batches / ours.batches for bare, ours, _ in rounds]
    return (
        case.name, dtype_policy(case.precision), str(case.side),
        f"{bare:,.0f}", f"{ours:,.0f}", f"**{median(ratios):.2f}**",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        f"{median(bare.whole / ours.batches for bare, ours, _ in rounds):.2f}",
        f"{files:,.0f}", f"{median(files.batches / ours.batches for _, ours, files in rounds):.2f}",
    )  # fmt: skip


class _Times(NamedTuple):
    """Seconds of the last epoch's batches, and of the call that trained."""

    batches: float
    whole: float


def _timed(train: Callable[[list[keras.callbacks.Callback]], object]) -> Callable[[], _Times]:
    """`train` gets the callbacks to train with."""

    def run() -> _Times:
        clock = _EpochClock()
        whole = _seconds(lambda: train([clock]))
        return _Times(clock.seconds, whole)

    return run


def _bare(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> Callable[[], _Times]:
    targets = keras.utils.to_categorical(labels, 10)
    _compile(model)
    fit = partial(model.fit, images, targets, batch_size=CONFIG.batch_size, verbose=0)
    return _timed(lambda clocks: fit(callbacks=clocks))


def _ours(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> Callable[[], _Times]:
    """As the pipeline trains: fit_model, compiled anew each time, so a second epoch is what is timed."""
    data = LabelledImages(images, labels.astype(np.int64))
    few = LabelledImages(images[:64], data.labels[:64])
    config = CONFIG.model_copy(update={"epochs": 2})
    fit = partial(fit_model, model, data, few, policy=OFF, config=config, seed=1)
    return _timed(lambda clocks: fit(callbacks=clocks))


def _folder(model: keras.Model, folder: Path, size: tuple[int, ...]) -> Callable[[], _Times]:
    _compile(model)
    dataset = keras.utils.image_dataset_from_directory(
        folder, label_mode="categorical", image_size=size, batch_size=CONFIG.batch_size, verbose=False
    )
    return _timed(lambda clocks: model.fit(dataset, verbose=0, callbacks=clocks))


def _compile(model: keras.Model) -> None:
    model.compile(
        optimizer=keras.optimizers.SGD(CONFIG.learning_rate, momentum=0.9, nesterov=True),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def _whole_training() -> str:
    """Where the seconds of a user's training go: configs/cifar10-fast.yaml, as the train step runs it."""
    config = load_config(ROOT / WHOLE)
    data = read_cifar10("train")
    validation, train = divided(data, round(config.split.validation * len(data.images)))
    plan, clock = TrainingPlan(config.model, config.train, config.augment, config.seed), _EpochClock()
    with tempfile.TemporaryDirectory() as folder:
        whole = _seconds(
            lambda: train_network(
                plan, train, validation, num_classes=10, checkpoint=Path(folder), callbacks=[clock]
            )
        )
    share = 1 - clock.total / whole
    return (
        f"A whole training (`{WHOLE}`: network, whitening, augmentation, validation, checkpoints):"
        f" {whole:.1f} s, of it {clock.total:.1f} s in batches and {clock.validating:.1f} s validating:"
        f" **{share:.1%}** outside the training loop."
    )


class _EpochClock(keras.callbacks.Callback):
    """Seconds of the last epoch's batches, of all epochs' batches, and of their validations."""

    seconds = total = validating = 0.0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._started, self._validated = time.perf_counter(), False

    def on_test_begin(self, logs: object = None) -> None:
        self._count_batches()
        self._tested, self._validated = time.perf_counter(), True

    def on_test_end(self, logs: object = None) -> None:
        self.validating += time.perf_counter() - self._tested

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        if not self._validated:
            self._count_batches()

    def _count_batches(self) -> None:
        self.seconds = time.perf_counter() - self._started
        self.total += self.seconds


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _write_files(images: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / str(label) / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path, quality=75)


if __name__ == "__main__":
    main()

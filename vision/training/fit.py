"""One training run: compile, fit with early stopping, keep the best weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from vision.augmentation_policy import AugmentationPolicy
from vision.config import TrainConfig
from vision.prepared import LabelledImages
from vision.training.batches import Batches, OrderedBatches
from vision.training.progress import ProgressBar
from vision.training.trainer import Trainer

WARM_UP_SHARE = 0.1
EVALUATION_BATCH = 256

EpochLog = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainingResult:
    """The fitted model and how it went; `history` has one value an epoch.

    `images_per_second` counts training images over all of `seconds`: compiling and validating are in it.
    """

    model: keras.Model
    history: dict[str, list[float]]
    seconds: float
    images_per_second: float

    @property
    def epochs(self) -> int:
        return len(self.history["loss"])


def fit_model(
    model: keras.Model,
    train: LabelledImages,
    validation: LabelledImages,
    *,
    policy: AugmentationPolicy,
    config: TrainConfig,
    seed: int,
    on_epoch: EpochLog = lambda epoch, metrics: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Trains `model` in place; it ends with the weights of the epoch with the lowest validation loss."""
    num_classes = model.output_shape[-1]
    batches = Batches(
        train.images, one_hot(train.labels, num_classes), batch_size=config.batch_size, seed=seed
    )
    trainer = Trainer(model, policy, seed=seed)
    trainer.compile(
        optimizer=_optimizer(config, steps=len(batches)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
        metrics=["accuracy"],
        # "auto" compiles by XLA on JAX and on TensorFlow's GPUs, where all layers can be; on TensorFlow's CPU
        # it would train slower (235 against 297 images a second).
        jit_compile="auto",
    )
    started = time.perf_counter()
    history = trainer.fit(
        batches,
        validation_data=OrderedBatches(
            validation.images, one_hot(validation.labels, num_classes), batch_size=EVALUATION_BATCH
        ),
        epochs=config.epochs,
        verbose=0,
        callbacks=[
            *_callbacks(config),
            keras.callbacks.LambdaCallback(on_epoch_end=on_epoch),
            ProgressBar(config.epochs),
            *callbacks,
        ],
    ).history
    seconds = time.perf_counter() - started
    seen = len(history["loss"]) * len(batches) * min(config.batch_size, len(train.images))
    return TrainingResult(model, _as_floats(history), seconds, seen / seconds)


def one_hot(labels: NDArray[np.int64], num_classes: int) -> NDArray[np.float32]:
    """Targets (N, K), float32, of class indices (N,)."""
    return np.eye(num_classes, dtype=np.float32)[labels]


def _optimizer(config: TrainConfig, *, steps: int) -> keras.optimizers.Optimizer:
    rate = _learning_rate(config, total_steps=steps * config.epochs)
    decay = config.weight_decay or None
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    return keras.optimizers.Adam(rate, weight_decay=decay)


def _learning_rate(
    config: TrainConfig, *, total_steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if config.schedule == "plateau":
        return config.learning_rate
    warm_up = max(1, round(WARM_UP_SHARE * total_steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
        decay_steps=max(1, total_steps - warm_up),
    )


def _callbacks(config: TrainConfig) -> list[keras.callbacks.Callback]:
    stop = keras.callbacks.EarlyStopping(
        "val_loss", patience=config.early_stopping_patience, restore_best_weights=True
    )
    if config.schedule != "plateau":
        return [stop]
    plateau = keras.callbacks.ReduceLROnPlateau(
        "val_loss", factor=config.plateau_factor, patience=config.plateau_patience
    )
    return [plateau, stop]


def _as_floats(history: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [float(value) for value in values] for name, values in history.items()}

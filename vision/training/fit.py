"""One training run: fit with early stopping, keep the best weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from vision.augmentation_policy import AugmentationPolicy
from vision.prepared import LabelledImages
from vision.training.batches import Batches, OrderedBatches
from vision.training.objective import build_objective, training_targets
from vision.training.progress import ProgressBar
from vision.training.schedule import build_optimizer, rate_callbacks
from vision.training.stages import Stages
from vision.training.trainer import Trainer
from vision.training_config import TrainConfig

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
    """Trains `model` in place.

    With early stopping it ends with the weights of the epoch with the lowest validation loss, without it
    with those of the last epoch: a schedule that falls to 0 ends where it is best.
    """
    num_classes = model.output_shape[-1]
    batches = Batches(
        train.images, training_targets(train.labels, num_classes), batch_size=config.batch_size, seed=seed
    )
    trainer = Trainer(
        model,
        policy,
        seed=seed,
        objective=build_objective(config, train.labels, num_classes),
        optimizer=build_optimizer(config, total_steps=len(batches) * config.epochs),
    )
    targets = training_targets(validation.labels, num_classes)
    started = time.perf_counter()
    history = trainer.fit(
        batches,
        validation_data=OrderedBatches(validation.images, targets, batch_size=EVALUATION_BATCH),
        epochs=config.epochs,
        verbose=0,
        callbacks=[
            *([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if config.ema_decay else []),
            *rate_callbacks(config, steps_per_epoch=len(batches)),
            Stages(config, (train.images.shape[1], train.images.shape[2])),
            *_early_stopping(config),
            keras.callbacks.LambdaCallback(on_epoch_end=on_epoch),
            ProgressBar(config.epochs),
            *callbacks,
        ],
    ).history
    seconds = time.perf_counter() - started
    seen = len(history["loss"]) * len(batches) * min(config.batch_size, len(train.images))
    return TrainingResult(model, _as_floats(history), seconds, seen / seconds)


def _early_stopping(config: TrainConfig) -> list[keras.callbacks.Callback]:
    if config.early_stopping_patience is None:
        return []
    patience = config.early_stopping_patience
    return [keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)]


def _as_floats(history: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [float(value) for value in values] for name, values in history.items()}

"""One training run: fit with early stopping, keep the best weights, go on where a killed one was."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from vision.augmentation_policy import AugmentationPolicy
from vision.keras_batches import for_keras, images_at_a_time
from vision.prepared import LabelledImages
from vision.training.batches import Batches, OrderedBatches
from vision.training.checkpoint import (
    Checkpoint,
    TrainingState,
    assign,
    fingerprint_of,
    read_state,
    values_of,
)
from vision.training.curriculum import Curriculum
from vision.training.devices import refuse_accumulation, shareable
from vision.training.memory import with_smaller_batches
from vision.training.moving_statistics import keeping_up
from vision.training.objective import Targets, build_objective, training_targets
from vision.training.progress import ProgressBar, Stopwatch
from vision.training.quick_layers import quick_layers
from vision.training.schedule import build_optimizer, rate_callbacks
from vision.training.several_workers import ALONE, Worker, this_worker
from vision.training.several_workers_callback import InStep, refuse_uneven
from vision.training.stages import Stages
from vision.training.teacher import Teacher
from vision.training.trainer import Trainer
from vision.training_config import TrainConfig

# Where a training runs; the weights at the end follow from it as little as from the speed of the machine.
PLACES = {"workers", "worker_cpus", "worker_gpus"}

EpochLog = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainingResult:
    """The fitted model and how it went; `history` has one value an epoch.

    `images_per_second` counts training images over all of `seconds`: compiling and validating are in it, and
    so are the parts before an interruption.
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
    rates: Mapping[str, float] | None = None,
    checkpoint: Path | None = None,
    teacher: Teacher | None = None,
) -> TrainingResult:
    """Trains `model` in place, its variables at `rates` times the learning rate (layer_rates.py).

    With a `teacher` it learns from its answers and a little from the labels, which alone count in validation.
    With early stopping it ends with the weights of the epoch with the lowest validation loss, without it
    with those of the last epoch: a schedule that falls to 0 ends where it is best.

    `checkpoint` is a folder: the same call goes on from what it holds, to the same weights as without the
    interruption, and `on_epoch` hears of the earlier epochs again. Where the device's memory runs out, the
    training starts again with smaller batches; OutOfMemory where one image does not fit.
    """
    job = _Job(model, train, validation, policy, seed, on_epoch, callbacks, rates, teacher)
    fingerprint = job.fingerprint(config) if checkpoint or this_worker().count > 1 else ""
    state = read_state(checkpoint, fingerprint) if checkpoint else None
    sizes = {"batch_size": shareable(min(config.batch_size, len(train.images)))}
    if state is not None:
        refuse_uneven(state.batch_size, shareable(state.batch_size))
        sizes = {"batch_size": state.batch_size, "accumulate": state.accumulate}
        _repeat(on_epoch, state.history)
    config = config.model_copy(update=sizes)
    initial = values_of(model.variables)
    while True:
        try:
            return job.run(config, checkpoint, fingerprint, state)
        except Exception as error:
            config, state = with_smaller_batches(config, error), None
        # Out here the error is forgotten, and with it what the failed attempt held on the device.
        gc.collect()
        assign(model.variables, initial)


@dataclass(frozen=True)
class _Job:
    """What all attempts at a training share."""

    model: keras.Model
    train: LabelledImages
    validation: LabelledImages
    policy: AugmentationPolicy
    seed: int
    on_epoch: EpochLog
    callbacks: Sequence[keras.callbacks.Callback]
    rates: Mapping[str, float] | None
    teacher: Teacher | None

    def run(
        self, config: TrainConfig, checkpoint: Path | None, fingerprint: str, state: TrainingState | None
    ) -> TrainingResult:
        refuse_accumulation(config.accumulate)
        batches = Batches(
            self.train.images, self._targets(self.train), batch_size=config.batch_size, seed=self.seed,
            alternating_flip=self.policy.alternates,
        )  # fmt: skip
        steps = len(batches) * config.epochs
        trainer = self._trainer(config, total_steps=steps)
        history, stopwatch = keras.callbacks.History(), Stopwatch()
        parts = [*self._callbacks(config, batches, trainer.loss), history, stopwatch]
        if checkpoint is not None:
            sizes = (config.batch_size, config.accumulate)
            parts.append(Checkpoint(checkpoint, fingerprint, others=tuple(parts), sizes=sizes, state=state))
        first_epoch, worker = state.next_epoch if state else 0, this_worker()
        if worker.count > 1:
            parts.append(InStep(self.model, worker, fingerprint=fingerprint, next_epoch=first_epoch))
        with keeping_up(self.model, steps=steps), quick_layers(self.model):
            trainer.fit(
                for_keras(batches),
                validation_data=for_keras(self._ordered(self.validation, worker)),
                initial_epoch=first_epoch,
                epochs=config.epochs,
                shuffle=False,  # Keras would order the batches by Python's own generator, which nobody saves
                verbose=0,
                callbacks=parts,
            )
        values = {name: [float(value) for value in each] for name, each in history.history.items()}
        seen = len(values["loss"]) * len(batches) * config.batch_size
        return TrainingResult(self.model, values, stopwatch.seconds, seen / stopwatch.seconds)

    def _trainer(self, config: TrainConfig, *, total_steps: int) -> Trainer:
        # Batches alternate flips, because they know the epoch; all other changes are the trainer's.
        flip = {"horizontal_flip": False} if self.policy.alternates else {}
        return Trainer(
            self.model,
            self.policy.model_copy(update=flip),
            seed=self.seed,
            objective=build_objective(config, self.train.labels, self.model.output_shape[-1]),
            optimizer=build_optimizer(config, total_steps=total_steps, rates=self.rates),
            teacher=self.teacher,
        )

    def _callbacks(
        self, config: TrainConfig, batches: Batches, loss: keras.losses.Loss
    ) -> list[keras.callbacks.Callback]:
        """In the order in which they act at an epoch's end: first come those that change what others see."""
        easy_first = Curriculum(
            batches,
            self._ordered(self.train),
            self._targets(self.train),
            loss=loss,
            epochs=config.curriculum_epochs,
        )
        return [
            *([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if config.ema_decay else []),
            easy_first,
            *rate_callbacks(config, steps_per_epoch=len(batches)),
            Stages(config, (self.train.images.shape[1], self.train.images.shape[2])),
            *_early_stopping(config),
            keras.callbacks.LambdaCallback(on_epoch_end=self.on_epoch),
            ProgressBar(config.epochs),
            *self.callbacks,
        ]

    def _ordered(self, split: LabelledImages, worker: Worker = ALONE) -> OrderedBatches:
        at_a_time = images_at_a_time(split.images)
        return OrderedBatches(split.images, self._targets(split), batch_size=at_a_time, worker=worker)

    def _targets(self, split: LabelledImages) -> Targets:
        return training_targets(split.labels, self.model.output_shape[-1])

    def fingerprint(self, config: TrainConfig) -> str:
        """Of all that the weights at the end follow from. Names of layers change from process to process."""
        settings = {
            "config": config.model_dump(mode="json", exclude=PLACES),
            "policy": self.policy.model_dump(mode="json"),
            "seed": self.seed,
            "precision": self.model.dtype_policy.name,
            "trainable": [variable.trainable for variable in self.model.variables],
            "rates": [(self.rates or {}).get(variable.path, 1.0) for variable in self.model.variables],
            "shapes": [self.train.images.shape, self.validation.images.shape],
            "callbacks": [type(callback).__name__ for callback in self.callbacks],
        }
        arrays = [*self.model.get_weights(), self.train.labels, self.validation.labels]
        arrays += self.teacher.model.get_weights() if self.teacher else []
        return fingerprint_of(settings, arrays, self.train.images, self.validation.images)


def _repeat(on_epoch: EpochLog, history: dict[str, list[float]]) -> None:
    for epoch in range(len(history["loss"])):
        on_epoch(epoch, {name: values[epoch] for name, values in history.items()})


def _early_stopping(config: TrainConfig) -> list[keras.callbacks.Callback]:
    if config.early_stopping_patience is None:
        return []
    patience = config.early_stopping_patience
    return [keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)]

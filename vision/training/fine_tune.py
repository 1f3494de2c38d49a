"""Training from pretrained weights: the head alone, then the backbone too, from the top.

The head goes first because a random one would send large gradients into weights that are good already
(Kumar et al. 2022, "Fine-tuning can distort pretrained features"). The layer "features" parts the two.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import keras

from vision.augmentation_policy import AugmentationPolicy
from vision.prepared import LabelledImages
from vision.training.fit import EpochLog, TrainingResult, fit_model
from vision.training.frozen_features import HeadTraining, backbone_of
from vision.training.layer_rates import layer_rates
from vision.training.objective import build_objective
from vision.training.validation import validate
from vision.training_config import FineTuneConfig, TrainConfig

logger = logging.getLogger("sightline.training")

UNCHANGED = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, brightness=0)


@dataclass(frozen=True)
class FineTuneResult(TrainingResult):
    """`history` has the epochs of the head, then those of the backbone.

    `kept` says whose weights the model has: "head" where the second phase made it worse, or was off.
    """

    kept: Literal["head", "backbone"]


def fine_tune(
    network: keras.Model,
    train: LabelledImages,
    validation: LabelledImages,
    *,
    policy: AugmentationPolicy,
    config: TrainConfig,
    seed: int,
    on_epoch: EpochLog = lambda epoch, metrics: None,
    checkpoint: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> FineTuneResult:
    """Trains `network` in place by `config.fine_tune`; it ends with the weights of the better phase.

    Callbacks see each phase as a training of its own, `on_epoch` counts through. A killed run goes on from
    `checkpoint`, a folder, once the features are computed again.
    """
    assert config.fine_tune is not None
    started = time.perf_counter()
    phases = _Phases(network, train, validation, seed, on_epoch, checkpoint, callbacks)
    objective = build_objective(config, train.labels, network.output_shape[-1])
    phases.train_head(config, config.fine_tune, mirrored=policy.mirrors)
    head, weights = validate(network, validation, objective), network.get_weights()
    kept: Literal["head", "backbone"] = "head"
    if config.fine_tune.unfrozen_share:
        phases.train_backbone(config, config.fine_tune, policy)
        whole = validate(network, validation, objective)
        kept = "backbone" if whole >= head else "head"
        logger.info("validation score of the head alone %.4f, of all %.4f", head.score, whole.score)
    if kept == "head":
        network.set_weights(weights)
    seconds = time.perf_counter() - started
    return FineTuneResult(network, phases.history, seconds, phases.images_seen / seconds, kept)


@dataclass
class _Phases:
    """One fit_model call after the other, and what came out."""

    network: keras.Model
    train: LabelledImages
    validation: LabelledImages
    seed: int
    on_epoch: EpochLog
    checkpoint: Path | None
    callbacks: Sequence[keras.callbacks.Callback]
    results: list[TrainingResult] = field(default_factory=list)

    @property
    def history(self) -> dict[str, list[float]]:
        histories = [result.history for result in self.results]
        return {name: [value for each in histories for value in each[name]] for name in histories[0]}

    @property
    def images_seen(self) -> float:
        """By the head, those whose features were computed: its epochs see no images."""
        backbone = self.results[1:]
        return len(self.train.images) + sum(result.seconds * result.images_per_second for result in backbone)

    def train_head(self, config: TrainConfig, settings: FineTuneConfig, *, mirrored: bool) -> None:
        head = HeadTraining(self.network, self.train, mirrored=mirrored)
        validation = head.validation(self.validation)
        self._fit("head", head.model, head.train, validation, UNCHANGED, _of_head(config, settings))
        head.take_over()

    def train_backbone(
        self, config: TrainConfig, settings: FineTuneConfig, policy: AugmentationPolicy
    ) -> None:
        backbone = backbone_of(self.network)
        rates = layer_rates(backbone, decay=settings.layer_decay)
        stages = min(settings.stages, config.epochs)
        for stage in range(1, stages + 1):
            unfrozen = math.ceil(len(backbone) * settings.unfrozen_share * stage / stages)
            kept = backbone[: len(backbone) - unfrozen]
            if settings.freeze_batch_norm:
                kept += [layer for layer in backbone if isinstance(layer, keras.layers.BatchNormalization)]
            part = _of_stage(config, stage, stages)
            with _frozen(kept):
                self._fit(f"stage_{stage}", self.network, self.train, self.validation, policy, part, rates)

    def _fit(
        self,
        name: str,
        model: keras.Model,
        train: LabelledImages,
        validation: LabelledImages,
        policy: AugmentationPolicy,
        config: TrainConfig,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        before = sum(result.epochs for result in self.results)
        self.results.append(
            fit_model(
                model, train, validation,
                policy=policy, config=config, seed=self.seed, callbacks=self.callbacks, rates=rates,
                on_epoch=lambda epoch, metrics: self.on_epoch(before + epoch, metrics),
                checkpoint=self.checkpoint / name if self.checkpoint else None,
            )
        )  # fmt: skip


@contextmanager
def _frozen(layers: Sequence[keras.layers.Layer]) -> Iterator[None]:
    """Inside, these layers are not trained, and batch norm among them computes as in inference."""
    variables = [(variable, variable.trainable) for layer in layers for variable in layer.variables]
    flags = [(layer, layer.trainable) for layer in layers]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        # A layer's flag is also that of all its variables, of which an architecture may have fixed some.
        for part, trainable in (*flags, *variables):
            part.trainable = trainable


def _of_head(config: TrainConfig, settings: FineTuneConfig) -> TrainConfig:
    """Of loss and targets as `config`; it never stops early, which keeps the best epoch's weights."""
    return TrainConfig(
        epochs=settings.head_epochs,
        batch_size=config.batch_size,
        optimizer="adamw",
        learning_rate=settings.head_learning_rate,
        weight_decay=config.weight_decay,
        schedule="cosine",
        early_stopping_patience=settings.head_epochs,
        loss=config.loss,
        focal_gamma=config.focal_gamma,
        class_weights=config.class_weights,
        label_smoothing=config.label_smoothing,
    )


def _of_stage(config: TrainConfig, stage: int, stages: int) -> TrainConfig:
    """A part of the epochs, with a schedule of its own; what is for the first or last epochs stays there."""
    changes: dict[str, object] = {
        "epochs": config.epochs * stage // stages - config.epochs * (stage - 1) // stages
    }
    if stage > 1:
        changes |= {"first_size_share": 1.0, "curriculum_epochs": 0}
    if stage < stages:
        changes |= {"mixing_off_epochs": 0}
    return config.model_copy(update=changes)

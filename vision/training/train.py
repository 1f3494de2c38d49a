"""From prepared images to a classifier: one network, or several as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras

from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.errors import ConfigError
from vision.model_config import ModelConfig
from vision.model_facts import flops
from vision.prepared import LabelledImages, PreparedImages
from vision.runtimes.keras_runtime import KerasRuntime
from vision.task import task_of
from vision.training.averaging import with_views
from vision.training.backbone import Backbone
from vision.training.devices import accelerator, data_parallel
from vision.training.ensemble import for_snapshots, train_ensemble
from vision.training.fine_tune import fine_tune
from vision.training.fit import EpochLog, TrainingResult, fit_model
from vision.training.network import as_float32, build_network
from vision.training.objective import score_name
from vision.training.record import TrainingRecord
from vision.training.several_workers import this_worker
from vision.training_config import EnsembleConfig, TrainConfig


@dataclass(frozen=True)
class TrainingPlan:
    """What is trained and how; `backbone` is what pre-training without labels has left."""

    model: ModelConfig
    train: TrainConfig
    policy: AugmentationPolicy
    seed: int
    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)
    backbone: Backbone = field(default_factory=Backbone)

    def as_parameters(self) -> dict[str, Any]:
        """What a tracker records, under the names of the YAML's sections."""
        return {
            "model": self.model.model_dump(),
            "train": self.train.model_dump(),
            "augment": self.policy.model_dump(),
            "ensemble": self.ensemble.model_dump(),
            "seed": self.seed,
        }


def train_classifier(
    prepared: PreparedImages,
    plan: TrainingPlan,
    *,
    checkpoint: Path | None = None,
    on_epoch: EpochLog = lambda epoch, metrics: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[ImageClassifier, TrainingRecord]:
    """A classifier, uncalibrated, and how its training went; it goes on from `checkpoint`, a folder.

    On several workers `callbacks` cannot be had: ConfigError.
    """
    if plan.train.workers > 1 and this_worker().count == 1:
        from vision.training.several_workers_ray import train_on_workers  # imports Ray's Python

        _refuse_callbacks(callbacks, plan.train)
        return train_on_workers(prepared, plan, checkpoint=checkpoint, on_epoch=on_epoch)
    train, validation = prepared.labelled("train"), prepared.labelled("validation")
    members = plan.ensemble
    if members.method == "snapshots":
        plan = replace(plan, train=for_snapshots(plan.train, members.members))

    def train_member(
        seed: int,
        train: LabelledImages,
        validation: LabelledImages,
        checkpoint: Path | None,
        more_callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> TrainingResult:
        return train_network(
            replace(plan, seed=seed), train, validation, num_classes=len(prepared.class_names),
            checkpoint=checkpoint, on_epoch=on_epoch, callbacks=(*callbacks, *more_callbacks),
        )  # fmt: skip

    if members.method == "none":
        results: tuple[TrainingResult, ...] = (train_member(plan.seed, train, validation, checkpoint),)
        network, scores = results[0].model, tuple[float, ...]()
    else:
        ensemble = train_ensemble(
            train_member, train, validation, config=members, seed=plan.seed, checkpoint=checkpoint
        )
        network, results, scores = ensemble.model, ensemble.results, ensemble.member_scores
    task = task_of(train.labels)
    network = with_views(network, plan.train.test_time_augmentation, task=task)
    classifier = ImageClassifier(
        KerasRuntime(network), prepared.preprocessing, prepared.class_names, task=task
    )
    return classifier, _record(network, plan, results, scores, score_name(train.labels))


def train_network(
    plan: TrainingPlan,
    train: LabelledImages,
    validation: LabelledImages,
    *,
    num_classes: int,
    checkpoint: Path | None = None,
    on_epoch: EpochLog = lambda epoch, metrics: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """One network, built and trained; its model is float32 and of one size, whatever it was trained in."""
    keras.utils.set_random_seed(plan.seed)
    _, height, width, channels = train.images.shape
    image_shape = (height, width, channels)
    with data_parallel():
        network = build_network(
            plan.model, image_shape, num_classes, config=plan.train, train_images=train.images
        )
        plan.backbone.put_into(network)
        learn = fine_tune if plan.train.fine_tune else fit_model
        result = learn(
            network, train, validation,
            policy=plan.policy, config=plan.train, seed=plan.seed, on_epoch=on_epoch,
            checkpoint=checkpoint, callbacks=callbacks,
        )  # fmt: skip
    return replace(result, model=as_float32(network, plan.model, image_shape, num_classes))


def _refuse_callbacks(callbacks: Sequence[keras.callbacks.Callback], config: TrainConfig) -> None:
    if callbacks:
        names = ", ".join(type(callback).__name__ for callback in callbacks)
        raise ConfigError(
            f"train.workers is {config.workers}, but {names} can watch a training of one worker alone: set"
            " config.train.workers to 1, or config.track.tensorboard to false (MLflow has the same curves)"
        )


def _record(
    network: keras.Model,
    plan: TrainingPlan,
    results: Sequence[TrainingResult],
    member_scores: Sequence[float],
    score: str,
) -> TrainingRecord:
    """Of an ensemble: the curves of its first member, the seconds and images of all."""
    seconds = sum(result.seconds for result in results)
    seen = sum(result.images_per_second * result.seconds for result in results)
    return TrainingRecord(
        architecture=plan.model.name,
        recipe=plan.train.recipe or "",
        parameters=network.count_params(),
        flops=flops(network),
        history={name: tuple(values) for name, values in results[0].history.items()},
        score=score,
        member_scores=tuple(member_scores),
        seconds=seconds,
        images_per_second=seen / seconds,
        accelerator=accelerator(),
    )

"""Several trainings as one classifier: by other seeds, on other folds, or the stages of one training.

Their probabilities are averaged, or their weights: then one network remains, as fast as any.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vision.errors import ConfigError, DataError
from vision.image_array import ShardedImages
from vision.prepared import LabelledImages
from vision.task import task_of
from vision.training.averaging import average_models, copy_of
from vision.training.fit import TrainingResult
from vision.training.objective import build_objective
from vision.training.validation import Validation, validate
from vision.training_config import EnsembleConfig, TrainConfig

logger = logging.getLogger("sightline.training")

# train_member(seed, train, validation, checkpoint, callbacks): builds a network and trains it.
TrainMember = Callable[
    [int, LabelledImages, LabelledImages, Path | None, Sequence[keras.callbacks.Callback]], TrainingResult
]
Weights = list[NDArray[Any]]


@dataclass(frozen=True)
class EnsembleResult:
    """`model` is the whole as one network, `score` its validation score (accuracy, or average precision).

    `member_scores` are those of the members alone; `results` are the trainings: of snapshots, one.
    """

    model: keras.Model
    member_scores: tuple[float, ...]
    score: float
    results: tuple[TrainingResult, ...]


def train_ensemble(
    train_member: TrainMember,
    train: LabelledImages,
    validation: LabelledImages,
    *,
    config: EnsembleConfig,
    seed: int,
    checkpoint: Path | None = None,
) -> EnsembleResult:
    """Trains the members one after the other and makes one network of them.

    Members of folds never see `validation`, which chooses and scores; their early stopping is by the fold
    that each leaves out. Snapshots need a TrainConfig from `for_snapshots`.
    """
    snapshots = Snapshots(config.members)
    results = []
    for place, (member_seed, own_train, own_validation) in enumerate(
        _trainings(train, validation, config, seed)
    ):
        folder = checkpoint / f"member_{place}" if checkpoint else None
        callbacks = [snapshots] if config.method == "snapshots" else []
        results.append(train_member(member_seed, own_train, own_validation, folder, callbacks))
    weights = snapshots.weights or [result.model.get_weights() for result in results]
    network = copy_of(results[0].model, "network")
    objective = build_objective(TrainConfig(), train.labels, network.output_shape[-1])

    def score(candidate: Weights) -> Validation:
        network.set_weights(candidate)
        return validate(network, validation, objective)

    alone = [score(each) for each in weights]
    if config.combine == "soup":
        network.set_weights(greedy_soup(weights, alone, score))
    else:
        network = average_models([_with(network, each) for each in weights], task=task_of(train.labels))
    whole = validate(network, validation, objective).score
    logger.info(
        "validation score of %d members %.4f, of the best alone %.4f", len(alone), whole, max(alone).score
    )
    return EnsembleResult(network, tuple(each.score for each in alone), whole, tuple(results))


def for_snapshots(config: TrainConfig, members: int) -> TrainConfig:
    """`config` as one cosine cycle a member (Huang et al. 2017, "Snapshot ensembles"), of whole epochs."""
    if config.epochs < members:
        raise ConfigError(
            f"an ensemble of {members} snapshots needs a cycle of one epoch each, but train.epochs is"
            f" {config.epochs}; set config.train.epochs or config.ensemble.members"
        )
    if config.fine_tune is not None:
        raise ConfigError(
            "an ensemble of snapshots is made in one training from end to end, but train.fine_tune is set,"
            " which trains in phases; allowed are seeds and folds; set config.ensemble.method"
        )
    epochs = config.epochs - config.epochs % members
    cycles = {"epochs": epochs, "schedule": "cosine", "cycles": members, "early_stopping_patience": None}
    return config.model_copy(update=cycles)


class Snapshots(keras.callbacks.Callback):
    """Keeps the weights at the end of each cycle of epochs."""

    remembered = ("weights",)  # by a checkpoint

    def __init__(self, cycles: int) -> None:
        super().__init__()
        self._cycles = cycles
        self.weights: list[Weights] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.weights = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % (self.params["epochs"] // self._cycles) == 0:
            self.weights.append(self.model.get_weights())


def greedy_soup(
    weights: Sequence[Weights], alone: Sequence[Validation], score: Callable[[Weights], Validation]
) -> Weights:
    """The mean of those weights that do not make it worse (Wortsman et al. 2022, algorithm 1), best first.

    Statistics of batch norm are averaged like weights.
    """
    order = sorted(range(len(weights)), key=lambda place: alone[place], reverse=True)
    chosen, best = [weights[order[0]]], alone[order[0]]
    for place in order[1:]:
        candidate = [*chosen, weights[place]]
        reached = score(_mean(candidate))
        if reached.score >= best.score:
            chosen, best = candidate, reached
    logger.info("the soup is made of %d of %d members", len(chosen), len(weights))
    return _mean(chosen)


def _trainings(
    train: LabelledImages, validation: LabelledImages, config: EnsembleConfig, seed: int
) -> Iterator[tuple[int, LabelledImages, LabelledImages]]:
    """Seed, training and validation images of each."""
    if config.method == "folds":
        for place, (rows, left_out) in enumerate(_folds(train, config.members, seed)):
            yield seed + place, _select(train, rows), _select(train, left_out)
    else:
        trainings = 1 if config.method == "snapshots" else config.members
        yield from ((seed + place, train, validation) for place in range(trainings))


def _folds(
    data: LabelledImages, folds: int, seed: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows in and out of each; every class in each, where an image has one and no class is too small."""
    from sklearn.model_selection import KFold, StratifiedKFold

    if len(data.labels) < folds:
        raise DataError(
            f"{folds} folds need as many training images, received {len(data.labels)};"
            " set config.ensemble.members"
        )
    one_class = data.labels.ndim == 1
    stratified = one_class and np.unique(data.labels, return_counts=True)[1].min() >= folds
    kind = StratifiedKFold if stratified else KFold
    yield from kind(folds, shuffle=True, random_state=seed).split(data.labels, data.labels)


def _select(data: LabelledImages, rows: NDArray[np.intp]) -> LabelledImages:
    """Some of the images; those on disk stay there."""
    images = data.images.view(rows) if isinstance(data.images, ShardedImages) else data.images[rows]
    return LabelledImages(images, data.labels[rows])


def _mean(weights: Sequence[Weights]) -> Weights:
    return [
        np.mean(each, axis=0, dtype=np.float64).astype(each[0].dtype) for each in zip(*weights, strict=True)
    ]


def _with(network: keras.Model, weights: Weights) -> keras.Model:
    copy = copy_of(network, network.name)
    copy.set_weights(weights)
    return copy

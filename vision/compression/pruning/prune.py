"""Removes a share of a classifier's channels, at once or in rounds, and trains what is left."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from vision.classifier import ImageClassifier
from vision.compression.data import CompressionData
from vision.compression.pruning.importance import keep_strongest, kept_count
from vision.compression.pruning.removal import without_channels
from vision.compression.pruning.rules import trace_channels
from vision.errors import ConfigError
from vision.runtimes.keras_runtime import KerasRuntime
from vision.task import Task
from vision.training.averaging import behind_mirror, is_shifted, members_of, mirrored
from vision.training.devices import data_parallel
from vision.training.fit import EpochLog, fit_model
from vision.training.precision import dtype_policy, in_precision
from vision.training.teacher import Teacher
from vision.training_config import TrainConfig

LISTED = 5  # layers that an error names
Widths = Mapping[tuple[str, ...], int]  # of groups, known by the layers that make them


def prune(
    classifier: ImageClassifier,
    data: CompressionData,
    *,
    share: float,
    rounds: int = 1,
    config: TrainConfig | None,
    distil: bool = False,
    on_epoch: EpochLog = lambda epoch, metrics: None,
) -> ImageClassifier:
    """The Keras classifier with about `share` of its channels removed, 0..1, and trained by `config`.

    With `distil` what is left also learns from the answers of the whole network.

    In several rounds each removes the same share of what the last has left, and trains: gradual pruning
    loses less. None for `config` trains nothing. Images are of their full size throughout. `on_epoch`
    counts epochs over all rounds.
    ConfigError for a share that cannot be, an ensemble, and a network of which no channel would go.
    """
    assert isinstance(classifier.runtime, KerasRuntime)
    model = classifier.runtime.model
    _check(model, share, rounds)
    one_way = behind_mirror(model)
    network = model if one_way is None else one_way
    sizes = _sizes_to_prune(network, share)
    keras.utils.set_random_seed(data.seed)
    with data_parallel():
        teacher = _teacher(network, config, classifier.task) if distil and config else None
        for number in range(rounds):
            left = (1 - share) ** ((number + 1) / rounds)
            network = _narrowed(network, {group: kept_count(size, left) for group, size in sizes.items()})
            if config is not None:
                _train(network, data, config, teacher, on_epoch, first_epoch=number * config.epochs)
    if one_way is not None:
        network = mirrored(network, task=classifier.task, shifted=is_shifted(model))
    return classifier.with_runtime(KerasRuntime(network))


def _check(model: keras.Model, share: float, rounds: int) -> None:
    if not (0 < share < 1 and rounds >= 1):
        raise ConfigError(
            f"pruning received share {share} and {rounds} rounds: allowed is a share of the channels between"
            " 0 and 1, both left out, and 1 round or more; set config.compress.prune.shares and .rounds"
        )
    if members_of(model):
        raise ConfigError(
            "pruning received an ensemble, and takes one network: distil it into one network first, or set"
            " config.ensemble.method to none"
        )


def _sizes_to_prune(network: keras.Model, share: float) -> Widths:
    """The sizes of all groups; ConfigError where none of them would lose a channel."""
    channels = trace_channels(network)
    sizes = {group.producers: len(group.channels) for group in channels.groups}
    if any(kept_count(size, 1 - share) < size for size in sizes.values()):
        return sizes
    reasons = [f'"{name}" {reason}' for name, reason in channels.frozen.items()]
    reasons += [f'of {size} channels of "{names[0]}" all are kept' for names, size in sizes.items()]
    raise ConfigError(
        f'pruning a share of {share} removes no channel of "{network.name}": {"; ".join(reasons[:LISTED])};'
        " raise config.compress.prune.shares, leave it empty, or set config.model.name to another"
        " architecture"
    )


def _narrowed(network: keras.Model, widths: Widths) -> keras.Model:
    """A copy in which each group has so many channels, the most important."""
    channels = trace_channels(network)
    return without_channels(network, channels, keep_strongest(network, channels, widths))


def _teacher(network: keras.Model, config: TrainConfig, task: Task) -> Teacher:
    return Teacher(in_precision(network, dtype_policy(config.precision)), task)


def _train(
    network: keras.Model,
    data: CompressionData,
    config: TrainConfig,
    teacher: Teacher | None,
    on_epoch: EpochLog,
    *,
    first_epoch: int,
) -> None:
    """In place; it takes images of one size, so that they cannot grow."""
    working = in_precision(network, dtype_policy(config.precision))
    fit_model(
        working,
        data.training,
        data.validation,
        policy=data.policy,
        config=config.model_copy(update={"first_size_share": 1.0}),
        seed=data.seed,
        on_epoch=lambda epoch, metrics: on_epoch(first_epoch + epoch, metrics),
        teacher=teacher,
    )
    network.set_weights(working.get_weights())

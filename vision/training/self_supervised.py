"""Pre-training on images without labels, for a network that will see few labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from vision.augmentation_policy import AugmentationPolicy
from vision.errors import DataError
from vision.image_array import ImageArray
from vision.keras_batches import for_keras
from vision.model_config import ModelConfig
from vision.training.backbone import Backbone
from vision.training.batches import Batches
from vision.training.checkpoint import Checkpoint, fingerprint_of, read_state
from vision.training.fit import EpochLog
from vision.training.network import build_network
from vision.training.progress import ProgressBar, Stopwatch
from vision.training.quick_layers import quick_layers
from vision.training.schedule import build_optimizer
from vision.training.view_learners import Byol, SimClr, ViewLearner
from vision.training.views import view_layers
from vision.training_config import PretrainConfig, TrainConfig

WEIGHT_DECAY = 1e-4  # SimCLR's 1e-6 is for a rate of 0.3; ours is 1e-3, and their product what decays


@dataclass(frozen=True)
class PretrainResult:
    """`history` has "loss", one value an epoch."""

    history: dict[str, list[float]]
    seconds: float


def pretrain_backbone(
    images: ImageArray,
    *,
    num_classes: int,
    model: ModelConfig,
    train: TrainConfig,
    config: PretrainConfig,
    policy: AugmentationPolicy,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: EpochLog = lambda epoch, metrics: None,
) -> tuple[Backbone, PretrainResult]:
    """The backbone of a new network, as `train` will have it, after `pretrain`."""
    keras.utils.set_random_seed(seed)
    height, width, channels = images.shape[1:]
    network = build_network(model, (height, width, channels), num_classes, config=train, train_images=images)
    result = pretrain(
        network, images, config=config, policy=policy, seed=seed, checkpoint=checkpoint, on_epoch=on_epoch
    )
    return Backbone.of(network), result


def pretrain(
    network: keras.Model,
    images: ImageArray,
    *,
    config: PretrainConfig,
    policy: AugmentationPolicy,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: EpochLog = lambda epoch, metrics: None,
) -> PretrainResult:
    """Trains `network` up to its layer "features", in place, on images (N, H, W, 3), uint8, without labels.

    Views are mirrored where `policy` mirrors. A killed run goes on from `checkpoint`, a folder. DataError
    for fewer than two images.
    """
    if len(images) < 2:
        raise DataError(
            f"pre-training received {len(images)} image(s), at least 2 are needed: set config.pretrain.images"
            " to a folder of more, or config.pretrain.method to none"
        )
    batches = Batches(images, _no_targets(images), batch_size=config.batch_size, seed=seed)
    steps = len(batches) * config.epochs
    kinds: dict[str, type[ViewLearner]] = {"simclr": SimClr, "byol": Byol}
    learner = kinds[config.method](network, view_layers(flips=policy.mirrors, seed=seed), config, steps)
    learner.compile(optimizer=_optimizer(config, steps), jit_compile="auto")
    history, stopwatch = keras.callbacks.History(), Stopwatch()
    parts = [
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: batches.enter(epoch), on_epoch_end=on_epoch
        ),
        ProgressBar(config.epochs),
        history,
        stopwatch,
    ]
    state = None
    if checkpoint is not None:
        fingerprint = _fingerprint(network, images, config, policy, seed)
        state = read_state(checkpoint, fingerprint)
        sizes = (config.batch_size, 1)
        parts.append(Checkpoint(checkpoint, fingerprint, others=tuple(parts), sizes=sizes, state=state))
    with quick_layers(learner):
        learner.fit(
            for_keras(batches),
            initial_epoch=state.next_epoch if state else 0,
            epochs=config.epochs,
            shuffle=False,  # the batches shuffle themselves
            verbose=0,
            callbacks=parts,
        )
    losses = [float(loss) for loss in history.history["loss"]]
    return PretrainResult({"loss": losses}, stopwatch.seconds)


def _optimizer(config: PretrainConfig, steps: int) -> keras.optimizers.Optimizer:
    settings = TrainConfig(
        optimizer="adamw", schedule="cosine", learning_rate=config.learning_rate, weight_decay=WEIGHT_DECAY
    )
    return build_optimizer(settings, total_steps=steps)


def _no_targets(images: ImageArray) -> NDArray[np.float32]:
    return np.zeros((len(images), 1), np.float32)


def _fingerprint(
    network: keras.Model, images: ImageArray, config: PretrainConfig, policy: AugmentationPolicy, seed: int
) -> str:
    settings = {
        "config": config.model_dump(mode="json"),
        "flips": policy.horizontal_flip,
        "seed": seed,
        "images": images.shape,
    }
    return fingerprint_of(settings, network.get_weights(), images)

"""What changes from epoch to epoch: the size of the images, and whether they are mixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from vision.training_config import TrainConfig

# Progressive resizing (Howard 2018, fast.ai's DAWNBench entry; Touvron et al. 2019): growing is over
# after this share of the epochs, in so many steps, because each size is compiled anew.
GROWING_SHARE = 0.6
SIZES = 4
# A side is a multiple of this, so that halving it leaves no remainder.
SIDE_STEP = 4
Size = tuple[int, int]


@dataclass(frozen=True)
class Stage:
    """`size` is height and width in pixels, None: as prepared."""

    size: Size | None = None
    mixes: bool = True


def stage_of(epoch: int, config: TrainConfig, full: Size) -> Stage:
    """The stage of an epoch, counted from 0, for images of the `full` size."""
    mixes = epoch < config.epochs - config.mixing_off_epochs
    growing = round(GROWING_SHARE * config.epochs)
    if config.first_size_share >= 1 or epoch >= growing:
        return Stage(None, mixes)
    grown = (epoch * SIZES // growing) / SIZES
    share = config.first_size_share + (1 - config.first_size_share) * grown
    height, width = (max(SIDE_STEP, SIDE_STEP * round(share * side / SIDE_STEP)) for side in full)
    return Stage((height, width), mixes)


class Stages(keras.callbacks.Callback):
    """Tells the trainer its stage at the beginning of each epoch."""

    def __init__(self, config: TrainConfig, full: Size) -> None:
        super().__init__()
        self._config, self._full = config, full

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.enter(stage_of(epoch, self._config, self._full))

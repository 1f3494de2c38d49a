"""A configuration to start from, suggested by what the images are like, with the reason for each value.

The rules are plain and meant to be overruled: a first model within about ten minutes, not the best one.
Where a number was measured, the command that measures it stands beside it (BENCHMARKS.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.config import Config, SplitConfig
from vision.data_config import DataConfig
from vision.errors import ConfigError
from vision.glance import Sight, look_at
from vision.manifest import Manifest

# Sides in pixels that halve several times without a remainder; 224 is that of most published networks.
SIDES = (32, 64, 96, 128, 160, 224)
LARGEST_SIDE_WITHOUT_GPU = 96
SMALLEST_SIDE = 8  # of models.ARCHITECTURES["residual"]
# `python -m benchmarks flowers`, two cores: 35 epochs of 2,763 images, each 64 pixels wide with a stem of
# stride 2, so 1,024 positions, in 350 s with validation: 141,000 positions a second and core.
POSITIONS_PER_SECOND_AND_CORE = 140_000
GPU_SPEEDUP = 20  # against two cores: a careful guess, not measured
BUDGET_SECONDS = 600
# Below that a cosine schedule from random weights ends too early: a smaller image is the better bargain.
WANTED_EPOCHS = 20
LEAST_EPOCHS, MOST_EPOCHS = 5, 50
# More training images than this -> batch size; 32 is the reference's.
BATCH_SIZES = {50_000: 128, 10_000: 64, 500: 32, 0: 16}
# configs/flowers.yaml, for batches of 32; with Adam it grows with the root (Malladi et al. 2022).
LEARNING_RATE = 0.002
# The 95th percentile of width / height over the 5th. A judgement, not measured: beyond it images are
# distorted so differently that the distortion itself is learned. 4:3 beside 1:1 is 1.33.
LARGEST_SPREAD_TO_STRETCH = 1.5
SIGNS = {"rotation_degrees": 10.0, "horizontal_flip": False, "zoom": 0.1, "shift": 0.1, "brightness": 0.1}
PHOTOS = {"rotation_degrees": 20.0, "horizontal_flip": True, "zoom": 0.2, "brightness": 0.2}
# File and folder names that say nothing of the data: the folder above them is asked.
NAMELESS = ("annotations", "data", "dataset", "images", "index", "labels", "metadata", "train")
LONGEST_NAME = 63  # of NAME_PATTERN


@dataclass(frozen=True)
class StartingPoint:
    """The configuration; `summary` says what was seen, `reasons` why, by key (`prepare.image_size`).

    Only the values that were chosen are set in `config`: the rest are the schema's defaults.
    """

    config: Config
    summary: str
    reasons: Mapping[str, str]


def name_for(source: str) -> str:
    """A name that fits NAME_PATTERN, of the last part of the path that says something."""
    path = Path(source.partition("://")[2]) if "://" in source else Path(source).expanduser().resolve()
    for part in (path.stem if path.suffix else path.name, path.parent.name):
        name = re.sub(r"[^a-z0-9_]+", "-", part.lower()).strip("-_")[:LONGEST_NAME]
        if name and name not in NAMELESS:
            return name
    raise ConfigError(f'no name for a model in "{source}": give one with --name, such as --name photos')


def suggest_config(
    manifest: Manifest, data: DataConfig, *, name: str, cores: int, has_gpu: bool
) -> StartingPoint:
    """Values that train in about ten minutes on `cores` cores, or as well as a GPU allows.

    Of the manifest COLUMNS is enough. Raises DataError where no image is readable.
    """
    sight, split = look_at(manifest), SplitConfig()
    speed = POSITIONS_PER_SECOND_AND_CORE * (2 * GPU_SPEEDUP if has_gpu else cores)
    side, stem_strides, epochs = _affordable(sight, speed, has_gpu=has_gpu)
    minutes = max(1, round(epochs * _epoch_seconds(sight, side, stem_strides, speed) / 60))
    tree: dict[str, Any] = {
        "name": name,
        "seed": 1,
        "data": _data(data, sight),
        **({} if sight.is_split else {"split": {"test": split.test, "validation": split.validation}}),
        "prepare": {"image_size": [side, side], "resize": _resize(sight)},
        "augment": SIGNS if sight.looks_like_signs else PHOTOS,
        "model": {"name": "residual", "options": _options(sight, side, stem_strides)},
        "train": _recipe(sight, epochs),
        "promote": {"min_accuracy": _least_accuracy(sight), "max_accuracy_drop": 0.5, "max_ece": 0.15},
    }
    reasons = _reasons(sight, side, has_gpu=has_gpu)
    reasons["train.epochs"] = f"about {minutes} min of training on {'a GPU' if has_gpu else f'{cores} cores'}"
    return StartingPoint(Config.model_validate(tree), _summary(sight), reasons)


def _data(data: DataConfig, sight: Sight) -> dict[str, Any]:
    task = {"task": "multi_label"} if sight.is_multi_label else {}
    return {"source": data.source, **data.model_dump(exclude_defaults=True), **task}


def _affordable(sight: Sight, speed: float, *, has_gpu: bool) -> tuple[int, int, int]:
    """Side, stride of the stem and epochs: the largest images that leave time for WANTED_EPOCHS."""
    largest = sight.median_side if has_gpu else min(sight.median_side, LARGEST_SIDE_WITHOUT_GPU)
    sides = [side for side in reversed(SIDES) if side <= largest] or [max(SMALLEST_SIDE, largest)]
    choices = [(side, 2 if side >= 64 else 1) for side in sides]
    if sides[-1] >= 2 * SMALLEST_SIDE:
        choices.append((sides[-1], 2))
    for side, stem_strides in choices:
        epochs = int(BUDGET_SECONDS / _epoch_seconds(sight, side, stem_strides, speed))
        if epochs >= WANTED_EPOCHS:
            break
    return side, stem_strides, min(MOST_EPOCHS, max(LEAST_EPOCHS, epochs))


def _epoch_seconds(sight: Sight, side: int, stem_strides: int, speed: float) -> float:
    return sight.training_images * (side / stem_strides) ** 2 / speed


def _resize(sight: Sight) -> str:
    return "stretch" if sight.aspect_spread <= LARGEST_SPREAD_TO_STRETCH else "crop"


def _options(sight: Sight, side: int, stem_strides: int) -> dict[str, Any]:
    # Each stage halves the side: as many as leave 4 x 4 pixels, as configs/flowers.yaml does.
    stages = min(4, max(2, 1 + int(math.log2(side / stem_strides / 4))))
    dropout = 0.0 if sight.looks_like_signs or sight.training_images > 10_000 else 0.3
    filters = 16 if sight.training_images <= 500 else 32
    return {"filters": filters, "stages": stages, "stem_strides": stem_strides, "dropout": dropout}


def _recipe(sight: Sight, epochs: int) -> dict[str, Any]:
    """The recipe of configs/flowers.yaml, in the schema's order."""
    batch_size = next(size for least, size in BATCH_SIZES.items() if sight.training_images > least)
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": "adamw",
        "learning_rate": round(LEARNING_RATE * math.sqrt(batch_size / 32), 4),
        "weight_decay": 0.05,
        "schedule": "cosine",
        "early_stopping_patience": epochs,
        **({} if sight.is_multi_label else {"label_smoothing": 0.1}),
    }


def _least_accuracy(sight: Sight) -> float:
    """A tenth of the way from always answering the largest class to being always right."""
    return round(sight.largest_share + 0.1 * (1 - sight.largest_share), 2)


def _summary(sight: Sight) -> str:
    gray = ", gray" if sight.gray_share > 0.9 else ""
    return (
        f"{sight.images:,} images, {sight.classes} classes, short side {sight.median_side} pixels in the"
        f" median{gray}; the most common {_answer(sight)} has {sight.largest_share:.0%}"
    )


def _answer(sight: Sight) -> str:
    return "set of labels" if sight.is_multi_label else "class"


def _reasons(sight: Sight, side: int, *, has_gpu: bool) -> dict[str, str]:
    stretches = _resize(sight) == "stretch"
    return {
        "split.validation": "the source has no split: made stratified, copies stay together",
        "prepare.image_size": _why_side(sight, side, has_gpu=has_gpu),
        "prepare.resize": (
            "width / height is much the same for all images"
            if stretches
            else "width / height differs: the longer side is cut; pad where what counts lies at the edge"
        ),
        "augment.horizontal_flip": (
            "small gray images, as of digits and letters: mirrored they mean something else"
            if sight.looks_like_signs
            else "photos: set false where left and right tell classes apart"
        ),
        "model.options": "from random weights; stages until 4 x 4 pixels are left, filters by the images",
        "train.batch_size": f"for about {sight.training_images:,} training images",
        "train.learning_rate": "0.002 for batches of 32; grows with the root of the batch size",
        "promote.min_accuracy": f"always saying the most common {_answer(sight)} is right for"
        f" {sight.largest_share:.0%}: a model must beat that; raise it to what you need",
    }


def _why_side(sight: Sight, side: int, *, has_gpu: bool) -> str:
    reason = f"height, width: the median short side is {sight.median_side} pixels"
    if not has_gpu and sight.median_side > LARGEST_SIDE_WITHOUT_GPU:
        reason += f", at most {LARGEST_SIDE_WITHOUT_GPU} without a GPU"
    if side < min(sight.median_side, SIDES[-1] if has_gpu else LARGEST_SIDE_WITHOUT_GPU):
        reason += f"; smaller for {WANTED_EPOCHS} epochs in {BUDGET_SECONDS // 60} minutes"
    return reason

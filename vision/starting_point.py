"""A configuration to start from, suggested by what the images are like, with the reason for each value.

The rules are plain and meant to be overruled: a good first model within about a quarter of an hour, not the
best one. Where a number was measured, the command or the machine stands beside it (BENCHMARKS.md).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.config import Config, SplitConfig
from vision.data_config import DataConfig
from vision.errors import ConfigError
from vision.glance import Sight, look_at
from vision.manifest import Manifest
from vision.starting_from_scratch import plan_from_scratch
from vision.starting_from_weights import ADVICE, SMALLEST_SIDE, Pretrained, plan_from_weights
from vision.starting_plan import Machine, Plan

# The 95th percentile of width / height over the 5th. A judgement, not measured: beyond it images are
# distorted so differently that the distortion itself is learned. 4:3 beside 1:1 is 1.33.
LARGEST_SPREAD_TO_STRETCH = 1.5
# Images of the largest class over those of the smallest. A judgement: below it all classes are seen often.
LARGEST_IMBALANCE = 5
# Percentage points. A judgement: a champion is not replaced for less even where less could be shown.
LEAST_MARGIN = 1.0
# File and folder names that say nothing of the data: the folder above them is asked.
NAMELESS = ("annotations", "data", "dataset", "images", "index", "labels", "metadata", "train")
LONGEST_NAME = 63  # of NAME_PATTERN


@dataclass(frozen=True)
class StartingPoint:
    """The configuration; `summary` says what was seen, `reasons` why, by key (`prepare.image_size`).

    Only the values that were chosen are set in `config`: the rest are the schema's defaults, or those of
    its recipe. `advice` is what would make a better one, or "".
    """

    config: Config
    summary: str
    reasons: Mapping[str, str]
    advice: str = ""


def name_for(source: str) -> str:
    """A name that fits NAME_PATTERN, of the last part of the path that says something."""
    path = Path(source.partition("://")[2]) if "://" in source else Path(source).expanduser().resolve()
    for part in (path.stem if path.suffix else path.name, path.parent.name):
        name = re.sub(r"[^a-z0-9_]+", "-", part.lower()).strip("-_")[:LONGEST_NAME]
        if name and name not in NAMELESS:
            return name
    raise ConfigError(f'no name for a model in "{source}": give one with --name, such as --name photos')


def suggest_config(
    manifest: Manifest, data: DataConfig, *, name: str, machine: Machine, pretrained: Pretrained | None
) -> StartingPoint:
    """Values that train in about a quarter of an hour on the cores, or as well as a GPU allows.

    Of the manifest COLUMNS is enough. Raises DataError where no image is readable.
    """
    sight, split = look_at(manifest), SplitConfig()
    is_photo = not sight.looks_like_signs and sight.median_side >= SMALLEST_SIDE
    plan = (
        plan_from_weights(sight, pretrained, machine)
        if pretrained and is_photo
        else plan_from_scratch(sight, machine)
    )
    imbalance = _imbalance(manifest)
    tree: dict[str, Any] = {
        "name": name,
        "seed": 1,
        "data": _data(data, sight),
        **({"quality": plan.quality} if plan.quality else {}),
        **({} if sight.is_split else {"split": {"test": split.test, "validation": split.validation}}),
        "prepare": {"image_size": [plan.side, plan.side], "resize": _resize(sight)},
        "augment": plan.augment,
        "model": plan.model,
        "train": {**plan.train, **_for_labels(sight, imbalance)},
        "promote": {
            "min_accuracy": _least_accuracy(sight),
            "max_accuracy_drop": _margin(sight, split),
            "max_ece": 0.15,
        },
    }
    advice = ADVICE if is_photo and not pretrained else ""
    reasons = {
        key: reason
        for key, reason in _reasons(sight, plan, machine, imbalance).items()
        if key.partition(".")[2] in tree.get(key.partition(".")[0], ())
    }
    return StartingPoint(Config.model_validate(tree), _summary(sight), reasons, advice)


def _data(data: DataConfig, sight: Sight) -> dict[str, Any]:
    task = {"task": "multi_label"} if sight.is_multi_label else {}
    return {"source": data.source, **data.model_dump(exclude_defaults=True), **task}


def _imbalance(manifest: Manifest) -> float:
    counts = Counter(label for labels in manifest.labels for label in labels).values()
    return max(counts) / min(counts)


def _for_labels(sight: Sight, imbalance: float) -> dict[str, Any]:
    """What the labels change in any recipe; a label that is there or not is not smoothed."""
    weights = {"class_weights": "balanced"} if imbalance > LARGEST_IMBALANCE else {}
    return {**weights, **({"label_smoothing": 0.0} if sight.is_multi_label else {})}


def _resize(sight: Sight) -> str:
    return "stretch" if sight.aspect_spread <= LARGEST_SPREAD_TO_STRETCH else "crop"


def _least_accuracy(sight: Sight) -> float:
    """A tenth of the way from always answering the largest class to being always right."""
    return round(sight.largest_share + 0.1 * (1 - sight.largest_share), 2)


def _margin(sight: Sight, split: SplitConfig) -> float:
    """Percentage points that the test images can show an equal model to keep, in four cases of five.

    Two models of which either alone is right on 2.5 % of N images: (1.96 + 0.84) * sqrt(0.05 / N).
    """
    test_images = max(1.0, sight.images * split.test)
    return round(max(LEAST_MARGIN, 280 * math.sqrt(0.05 / test_images)), 1)


def _summary(sight: Sight) -> str:
    gray = ", gray" if sight.gray_share > 0.9 else ""
    return (
        f"{sight.images:,} images, {sight.classes} classes, short side {sight.median_side} pixels in the"
        f" median{gray}; the most common {_answer(sight)} has {sight.largest_share:.0%}"
    )


def _answer(sight: Sight) -> str:
    return "set of labels" if sight.is_multi_label else "class"


def _reasons(sight: Sight, plan: Plan, machine: Machine, imbalance: float) -> dict[str, str]:
    stretches = _resize(sight) == "stretch"
    minutes, where = (
        max(1, round(plan.seconds / 60)),
        "a GPU" if machine.has_gpu else f"{machine.cores} cores",
    )
    return {
        **plan.reasons,
        "split.validation": "the source has no split: made stratified, copies stay together",
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
        "train.epochs": f"about {minutes} min of training on {where}",
        "train.class_weights": f"the largest class has {imbalance:.0f} times the images of the smallest",
        "promote.min_accuracy": f"always saying the most common {_answer(sight)} is right for"
        f" {sight.largest_share:.0%}: a model must beat that; raise it to what you need",
    }

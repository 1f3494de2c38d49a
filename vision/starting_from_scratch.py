"""Plans that begin with random weights: for signs, small photos, and photos without weights at hand."""

from __future__ import annotations

import math
from typing import Any

from models import ARCHITECTURES
from vision.glance import Sight
from vision.starting_from_weights import PHOTOS
from vision.starting_plan import BUDGET_SECONDS, LEAST_EPOCHS, Machine, Plan

# Sides in pixels that halve several times without a remainder; 224 is that of most published networks.
SIDES = (32, 64, 96, 128, 160, 224)
LARGEST_SIDE_WITHOUT_GPU = 96
SMALLEST_SIDE = ARCHITECTURES["residual"].smallest_side
# `python -m benchmarks flowers`, two cores: 35 epochs of 2,763 images, each 64 pixels wide with a stem of
# stride 2, so 1,024 positions, in 350 s with validation: 141,000 positions a second and core.
POSITIONS_PER_SECOND_AND_CORE = 140_000
# Below that a cosine schedule from random weights ends too early: a smaller image is the better bargain.
WANTED_EPOCHS, MOST_EPOCHS = 20, 50
# More training images than this -> batch size; 32 is the reference's.
BATCH_SIZES = {50_000: 128, 10_000: 64, 500: 32, 0: 16}
# configs/flowers-scratch.yaml, for batches of 32; with Adam it grows with the root (Malladi et al. 2022).
LEARNING_RATE = 0.002
SIGNS = {"rotation_degrees": 10.0, "horizontal_flip": False, "zoom": 0.1, "shift": 0.1, "brightness": 0.1}

# Fewer images make too few steps of the large batches of `fast` and `thorough`.
LEAST_SMALL_PHOTOS = 2000
# airbench94 (Jordan 2024) mirrors images and moves them by two of 32 pixels.
SMALL_PHOTOS = {
    "rotation_degrees": 0.0,
    "horizontal_flip": True,
    "zoom": 0.0,
    "shift": 0.06,
    "brightness": 0.0,
}
# Width and widest of `fast` -> images of 32 x 32 pixels a second and core, trained on two in bfloat16.
WIDE, NARROW = {"width": 64, "widest": 256}, {"width": 32, "widest": 128}
WIDE_SPEED, NARROW_SPEED = 390 / 2, 1150 / 2
# The fewest epochs that the wide network is worth; so many, and the longer recipe is.
WIDE_EPOCHS, THOROUGH_EPOCHS, MOST_THOROUGH_EPOCHS = 8, 20, 60


def plan_from_scratch(sight: Sight, machine: Machine) -> Plan:
    """`fast` for many small photos, else `residual`."""
    is_small = ARCHITECTURES["fast"].smallest_side <= sight.median_side < SIDES[1]
    if is_small and not sight.looks_like_signs and sight.training_images >= LEAST_SMALL_PHOTOS:
        return _fast(sight, machine)
    return _residual(sight, machine)


def _fast(sight: Sight, machine: Machine) -> Plan:
    side = max((side for side in SIDES if side <= sight.median_side), default=sight.median_side)
    images = sight.training_images * (side / SIDES[0]) ** 2  # as if they had 32 pixels
    wide, narrow = (
        int(BUDGET_SECONDS * speed * machine.speed / images) for speed in (WIDE_SPEED, NARROW_SPEED)
    )
    recipe = "thorough" if wide >= THOROUGH_EPOCHS else "fast"
    is_wide = wide >= WIDE_EPOCHS
    epochs = min(MOST_THOROUGH_EPOCHS, wide) if is_wide else min(THOROUGH_EPOCHS, max(LEAST_EPOCHS, narrow))
    speed = (WIDE_SPEED if is_wide else NARROW_SPEED) * machine.speed
    return Plan(
        side=side,
        model={"name": "fast", "options": WIDE if is_wide else NARROW},
        train={"recipe": recipe, "epochs": epochs},
        augment=SMALL_PHOTOS,
        seconds=epochs * images / speed,
        reasons={
            "prepare.image_size": f"height, width: the median short side is {sight.median_side} pixels",
            "model.name": "learns small photos in few epochs; too small for networks that saw ImageNet",
            "augment.shift": "two of 32 pixels; stronger changes want more epochs than there is time for",
        },
    )


def _residual(sight: Sight, machine: Machine) -> Plan:
    side, stem_strides, epochs = _affordable(sight, machine)
    return Plan(
        side=side,
        model={"name": "residual", "options": _options(sight, side, stem_strides)},
        train=_recipe(sight, epochs),
        augment=SIGNS if sight.looks_like_signs else PHOTOS,
        seconds=epochs * _epoch_seconds(sight, side, stem_strides, machine),
        reasons={
            "prepare.image_size": _why_side(sight, side, has_gpu=machine.has_gpu),
            "model.options": "from random weights; stages until 4 x 4 pixels are left, filters by the images",
            "train.batch_size": f"for about {sight.training_images:,} training images",
            "train.learning_rate": "0.002 for batches of 32; grows with the root of the batch size",
        },
    )


def _affordable(sight: Sight, machine: Machine) -> tuple[int, int, int]:
    """Side, stride of the stem and epochs: the largest images that leave time for WANTED_EPOCHS."""
    largest = sight.median_side if machine.has_gpu else min(sight.median_side, LARGEST_SIDE_WITHOUT_GPU)
    sides = [side for side in reversed(SIDES) if side <= largest] or [max(SMALLEST_SIDE, largest)]
    choices = [(side, 2 if side >= 64 else 1) for side in sides]
    if sides[-1] >= 2 * SMALLEST_SIDE:
        choices.append((sides[-1], 2))
    for side, stem_strides in choices:
        epochs = int(BUDGET_SECONDS / _epoch_seconds(sight, side, stem_strides, machine))
        if epochs >= WANTED_EPOCHS:
            break
    return side, stem_strides, min(MOST_EPOCHS, max(LEAST_EPOCHS, epochs))


def _epoch_seconds(sight: Sight, side: int, stem_strides: int, machine: Machine) -> float:
    speed = POSITIONS_PER_SECOND_AND_CORE * machine.speed
    return sight.training_images * (side / stem_strides) ** 2 / speed


def _options(sight: Sight, side: int, stem_strides: int) -> dict[str, Any]:
    # Each stage halves the side: as many as leave 4 x 4 pixels, as configs/flowers-scratch.yaml does.
    stages = min(4, max(2, 1 + int(math.log2(side / stem_strides / 4))))
    dropout = 0.0 if sight.looks_like_signs or sight.training_images > 10_000 else 0.3
    filters = 16 if sight.training_images <= 500 else 32
    return {"filters": filters, "stages": stages, "stem_strides": stem_strides, "dropout": dropout}


def _recipe(sight: Sight, epochs: int) -> dict[str, Any]:
    """That of configs/flowers-scratch.yaml."""
    batch_size = next(size for least, size in BATCH_SIZES.items() if sight.training_images > least)
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": "adamw",
        "learning_rate": round(LEARNING_RATE * math.sqrt(batch_size / 32), 4),
        "weight_decay": 0.05,
        "schedule": "cosine",
        "early_stopping_patience": epochs,
        "label_smoothing": 0.1,
    }


def _why_side(sight: Sight, side: int, *, has_gpu: bool) -> str:
    reason = f"height, width: the median short side is {sight.median_side} pixels"
    if not has_gpu and sight.median_side > LARGEST_SIDE_WITHOUT_GPU:
        reason += f", at most {LARGEST_SIDE_WITHOUT_GPU} without a GPU"
    if side < min(sight.median_side, SIDES[-1] if has_gpu else LARGEST_SIDE_WITHOUT_GPU):
        reason += f"; smaller for {WANTED_EPOCHS} epochs in {BUDGET_SECONDS // 60} minutes"
    return reason

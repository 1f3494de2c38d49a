"""A plan for photos where ImageNet's weights are at hand: MobileNetV2, its head first, then all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.errors import ConfigError
from vision.glance import Sight
from vision.pretrained import FOLDER_VARIABLE, find_weights, keras_file
from vision.recipes import RECIPES
from vision.starting_plan import BUDGET_SECONDS, Machine, Plan

NETWORK, RECIPE = "mobilenet_v2", "fine_tune"
# Below this a photo shows too little of what ImageNet's networks look for.
SMALLEST_SIDE = 48
SIDES = (96, 128, 160, 192, 224)  # those that Keras has weights for
# Its features on two cores, at alpha 1: 398 images of 96 x 96 pixels a second.
PIXELS_PER_SECOND_AND_CORE = 398 * 96**2 / 2
# In passes over the training images: the features of the head, mirrored ones too; an epoch of training,
# which costs three, with its validation (a fifth of the images that are not for testing).
FEATURE_PASSES, EPOCH_PASSES = 2, 3.25
# Resolution is worth more than the last epochs, down to this many.
WANTED_EPOCHS, LEAST_EPOCHS = 5, 3
PATIENCE = 2  # budgets that LEAST_EPOCHS may take; beyond that the head alone is trained
# 1.0 is the one that was tried; of the others the widest.
ALPHAS = (1.0, 1.4, 1.3, 0.75, 0.5, 0.35)
PHOTOS = {"rotation_degrees": 20.0, "horizontal_flip": True, "zoom": 0.2, "brightness": 0.2}
ADVICE = (
    "No ImageNet weights were found, so this network begins at random; with them it would begin with what a"
    f" million photos have taught. Put {keras_file(NETWORK, {})} (of keras.applications) into a folder, set"
    f" {FOLDER_VARIABLE} to it, or name the file with --weights, and run `sightline init` again."
)


@dataclass(frozen=True)
class Pretrained:
    """A file of MobileNetV2's weights without its top, and the width that they are for."""

    path: str
    alpha: float


def find_pretrained() -> Pretrained | None:
    """The best file on this machine, found as training finds it."""
    found = ((alpha, find_weights(NETWORK, {"alpha": alpha})) for alpha in ALPHAS)
    return next((Pretrained(str(path), alpha) for alpha, path in found if path), None)


def pretrained_from(file: Path) -> Pretrained:
    """The weights in a file, whose name says their width; ConfigError where it is missing or does not."""
    width = re.match(r"mobilenet_?v2_(?:.*_)?(\d\.\d+)_", file.name)
    if not file.is_file() or not width:
        reason = "does not say the width of a MobileNetV2" if file.is_file() else "is no file"
        raise ConfigError(
            f'--weights "{file}" {reason}: allowed is a file of its weights without the top, named like'
            f" {keras_file(NETWORK, {})} or mobilenetv2_1.0_224_imagenet_notop.weights.h5"
        )
    return Pretrained(str(file), float(width[1]))


def plan_from_weights(sight: Sight, pretrained: Pretrained, machine: Machine) -> Plan:
    """The largest images that leave time for WANTED_EPOCHS of the whole network."""
    file = {"weights": pretrained.path, "alpha": pretrained.alpha}
    side, epochs = _affordable(sight, pretrained, machine)
    seconds = (FEATURE_PASSES + EPOCH_PASSES * epochs) * _pass_seconds(sight, side, pretrained, machine)
    train: dict[str, Any] = {"recipe": RECIPE, "epochs": epochs}
    if not epochs:
        train = {"recipe": RECIPE, "fine_tune": {"unfrozen_share": 0.0}}
    return Plan(
        side=side,
        model={"name": NETWORK, "weights": pretrained.path, "options": {"alpha": pretrained.alpha}},
        train=train,
        augment=PHOTOS,
        seconds=seconds,
        quality={"embedding": NETWORK, **file},
        reasons={
            "quality.embedding": "doubtful labels are found by what the same weights see in the images",
            "prepare.image_size": _why_side(sight, side),
            "model.weights": f"ImageNet's, found on this machine; alpha {pretrained.alpha} is their width",
            "train.recipe": "the head on features that are computed once, then the layers from the top",
            "train.fine_tune": "so many images that there is time for the head alone: remove for all layers",
        },
    )


def _affordable(sight: Sight, pretrained: Pretrained, machine: Machine) -> tuple[int, int]:
    """Side in pixels and epochs of the whole network; 0: the head alone."""
    sides = [side for side in reversed(SIDES) if side <= sight.median_side] or [SIDES[0]]
    most = int(RECIPES[RECIPE].settings["epochs"])
    for side in sides:
        passes = BUDGET_SECONDS / _pass_seconds(sight, side, pretrained, machine)
        epochs = int((passes - FEATURE_PASSES) / EPOCH_PASSES)
        if epochs >= WANTED_EPOCHS:
            return side, min(most, epochs)
    # The smallest side: fewer epochs, up to PATIENCE times the budget.
    if PATIENCE * passes >= FEATURE_PASSES + EPOCH_PASSES * LEAST_EPOCHS:
        return side, max(LEAST_EPOCHS, epochs)
    return side, 0


def _pass_seconds(sight: Sight, side: int, pretrained: Pretrained, machine: Machine) -> float:
    pixels = sight.training_images * side**2 * pretrained.alpha
    return pixels / (PIXELS_PER_SECOND_AND_CORE * machine.speed)


def _why_side(sight: Sight, side: int) -> str:
    reason = f"height, width: the median short side is {sight.median_side} pixels"
    if sight.median_side < SIDES[0]:
        return f"{reason}; enlarged to the least that the weights are for"
    if side < max(side for side in SIDES if side <= sight.median_side):
        reason += f"; smaller for {WANTED_EPOCHS} epochs in {BUDGET_SECONDS // 60} minutes"
    return reason

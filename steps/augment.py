"""Augmentation policy -> the policy as an artifact, with pictures of what it does to training images."""

from __future__ import annotations

from typing import Annotated

from zenml import step
from zenml.types import HTMLString

from vision.augmentation_policy import AugmentationPolicy
from vision.prepared import PreparedImages


@step
def augment(
    prepared: PreparedImages, policy: AugmentationPolicy, seed: int
) -> tuple[
    Annotated[AugmentationPolicy, "augmentation_policy"],
    Annotated[HTMLString, "augmentation_gallery"],
]:
    """Draws the gallery; tune and train apply the policy themselves, on the device."""
    from vision.augmentation import augmentation_examples
    from vision.report.gallery import render_augmentation_gallery

    examples = augmentation_examples(policy, prepared.images("train"), seed=seed)
    return policy, HTMLString(render_augmentation_gallery(policy, examples))

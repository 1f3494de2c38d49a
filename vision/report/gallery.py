"""A page of its own for the augmentation step: what the policy is and what it does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vision.augmentation_policy import AugmentationPolicy
from vision.report.images import Picture, thumbnail

Pixels = NDArray[np.uint8]


def render_augmentation_gallery(
    policy: AugmentationPolicy, examples: Sequence[tuple[Pixels, Sequence[Pixels]]]
) -> str:
    """HTML: what the policy turns on, and each training image followed by random versions of it."""
    from jinja2 import Environment, PackageLoader

    rows: list[list[Picture]] = [
        [thumbnail(before, "training image"), *(thumbnail(image, "after augmentation") for image in after)]
        for before, after in examples
    ]
    environment = Environment(loader=PackageLoader("vision.report", "."), autoescape=True)
    return environment.get_template("gallery.html.j2").render(
        changes=_changes(policy), is_mixing=bool(policy.mixup or policy.cutmix), rows=rows
    )


def _changes(policy: AugmentationPolicy) -> list[tuple[str, object, str]]:
    """Name, value and meaning of each field that is in force."""
    fields = AugmentationPolicy.model_fields
    return [(name, getattr(policy, name), fields[name].description or "") for name in policy.in_force]

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
    """HTML: the policy's values, and each training image followed by random versions of it."""
    from jinja2 import Environment, PackageLoader

    rows: list[list[Picture]] = [
        [thumbnail(before, "training image"), *(thumbnail(image, "after augmentation") for image in after)]
        for before, after in examples
    ]
    environment = Environment(loader=PackageLoader("vision.report", "."), autoescape=True)
    return environment.get_template("gallery.html.j2").render(policy=policy.model_dump(), rows=rows)

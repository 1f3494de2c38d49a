"""The corruptions of ImageNet-C and CIFAR-10-C, five severities each, in one table.

Hendrycks and Dietterich 2019 (Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations, ICLR), appendix B, with the constants of their code. The package `imagecorruptions`
does not run on today's scikit-image and numba. 14 of the 15 are here: frost needs photographs of frost.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vision.image_array import Pixels
from vision.robustness import blurs, digital, noise, weather

SEVERITIES = (1, 2, 3, 4, 5)
SHOWN_SEVERITY = 3
IMAGENET_SIDE, CIFAR_SIDE = 224, 32
# Up to this short side an image is a small one, as CIFAR's: ImageNet's constants would leave nothing of it.
LARGEST_SMALL_SIDE = 64


@dataclass(frozen=True)
class Corruption:
    """A function and its constants, one tuple a severity, at 224 pixels (ImageNet-C) and 32 (CIFAR-10-C).

    `powers`: 1 for a constant that is a length in pixels, 2 for an area, 0 for neither; none: 0 for all.
    """

    function: Callable[[Pixels, Sequence[float], np.random.Generator], Pixels]
    imagenet: tuple[tuple[float, ...], ...]
    cifar: tuple[tuple[float, ...], ...]
    powers: tuple[int, ...] = ()

    def constants(self, severity: int, side: int) -> tuple[float, ...]:
        """Those of a severity, 1..5, for an image whose short side is that many pixels; lengths go along."""
        small = side <= LARGEST_SMALL_SIDE
        values = (self.cifar if small else self.imagenet)[severity - 1]
        scale = side / (CIFAR_SIDE if small else IMAGENET_SIDE)
        powers = self.powers or (0,) * len(values)
        return tuple(value * scale**power for value, power in zip(values, powers, strict=True))


def _each(*values: float) -> tuple[tuple[float, ...], ...]:
    return tuple((value,) for value in values)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(
        noise.gaussian_noise,
        imagenet=_each(0.08, 0.12, 0.18, 0.26, 0.38),
        cifar=_each(0.04, 0.06, 0.08, 0.09, 0.10),
    ),
    "shot_noise": Corruption(
        noise.shot_noise, imagenet=_each(60, 25, 12, 5, 3), cifar=_each(500, 250, 100, 75, 50)
    ),
    "impulse_noise": Corruption(
        noise.impulse_noise,
        imagenet=_each(0.03, 0.06, 0.09, 0.17, 0.27),
        cifar=_each(0.01, 0.02, 0.03, 0.05, 0.07),
    ),
    "defocus_blur": Corruption(
        blurs.defocus_blur,
        imagenet=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        powers=(1, 1),
    ),
    "glass_blur": Corruption(
        blurs.glass_blur,
        imagenet=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        cifar=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        powers=(1, 1, 0),
    ),
    "motion_blur": Corruption(
        blurs.motion_blur,
        imagenet=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        cifar=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        powers=(1, 1),
    ),
    "zoom_blur": Corruption(
        blurs.zoom_blur,
        imagenet=((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        cifar=((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    ),
    "snow": Corruption(
        weather.snow,
        imagenet=(
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        cifar=(
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        powers=(0, 0, 1, 0, 1, 1, 0),
    ),
    "fog": Corruption(
        weather.fog,
        imagenet=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        cifar=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    ),
    "brightness": Corruption(
        digital.brightness, imagenet=_each(0.1, 0.2, 0.3, 0.4, 0.5), cifar=_each(0.05, 0.1, 0.15, 0.2, 0.3)
    ),
    "contrast": Corruption(
        digital.contrast, imagenet=_each(0.4, 0.3, 0.2, 0.1, 0.05), cifar=_each(0.75, 0.5, 0.4, 0.3, 0.15)
    ),
    "elastic_transform": Corruption(
        digital.elastic_transform,
        # Shares of 244 and 32 pixels in the paper's code, where 244 is a slip for 224 that ImageNet-C has.
        imagenet=(
            (244 * 2, 244 * 0.7, 244 * 0.1),
            (244 * 2, 244 * 0.08, 244 * 0.2),
            (244 * 0.05, 244 * 0.01, 244 * 0.02),
            (244 * 0.07, 244 * 0.01, 244 * 0.02),
            (244 * 0.12, 244 * 0.01, 244 * 0.02),
        ),
        cifar=(
            (0, 0, 32 * 0.08),
            (32 * 0.05, 32 * 0.2, 32 * 0.07),
            (32 * 0.08, 32 * 0.06, 32 * 0.06),
            (32 * 0.1, 32 * 0.04, 32 * 0.05),
            (32 * 0.1, 32 * 0.03, 32 * 0.03),
        ),
        powers=(2, 1, 1),
    ),
    "pixelate": Corruption(
        digital.pixelate,
        imagenet=_each(0.6, 0.5, 0.4, 0.3, 0.25),
        cifar=_each(0.95, 0.9, 0.85, 0.75, 0.65),
    ),
    "jpeg_compression": Corruption(
        digital.jpeg_compression, imagenet=_each(25, 18, 15, 10, 7), cifar=_each(80, 65, 58, 50, 40)
    ),
}


def corrupt(image: Pixels, name: str, *, severity: int, seed: int) -> Pixels:
    """An image (H, W, 3), uint8, under a corruption of the table, severity 1..5.

    Equal pixels and seed give an equal result, whatever was corrupted before. Chance does not depend on the
    severity: two severities of an image differ in strength alone.
    """
    corruption = CORRUPTIONS[name]
    words = (seed, zlib.crc32(name.encode()), zlib.crc32(image.tobytes()))
    constants = corruption.constants(severity, min(image.shape[:2]))
    return corruption.function(image, constants, np.random.default_rng(words))


def corruption_examples(image: Pixels, *, seed: int) -> list[tuple[str, Pixels]]:
    """Name and pixels of the image under every corruption, at severity 3, for people to look at."""
    return [(name, corrupt(image, name, severity=SHOWN_SEVERITY, seed=seed)) for name in CORRUPTIONS]

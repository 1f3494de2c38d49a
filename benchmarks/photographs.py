"""A photograph drawn from a seed: smooth like one, noisy like one, and about as many bytes as one."""

from __future__ import annotations

import io
from bisect import bisect_right

import numpy as np
from PIL import Image

# Stands once in `numbered`; what is put there makes an image that no cache has seen, of the same pixels.
PLACE = b"0" * 16


def photograph(width: int, height: int, *, max_bytes: int, seed: int = 1) -> bytes:
    """A JPEG of at most that many bytes, of the best quality that allows it."""
    pixels = Image.fromarray(_pixels(width, height, np.random.default_rng(seed)))

    def encoded(quality: int) -> bytes:
        file = io.BytesIO()
        pixels.save(file, "JPEG", quality=quality)
        return file.getvalue()

    qualities = range(1, 96)
    fitting = bisect_right(qualities, max_bytes, key=lambda quality: len(encoded(quality)))
    if not fitting:
        raise ValueError(f"{max_bytes} bytes are too few for {width}x{height} pixels")
    return encoded(qualities[fitting - 1])


def _pixels(width: int, height: int, random: np.random.Generator) -> np.ndarray:
    """(H, W, 3), uint8: three waves a colour, a third to three times as long as the image, and noise."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    smooth = np.full((height, width, 3), 128.0)
    for color in range(3):
        for _ in range(3):
            across, down, phase = random.uniform((2, 2, 0), (20, 20, 6.3))
            smooth[..., color] += 35 * np.sin(across * x + down * y + phase)
    noise = random.normal(0, 12, (height, width, 1))  # of the light: a camera's has little colour
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def numbered(jpeg: bytes) -> bytes:
    """The same picture with a comment of PLACE (ITU-T T.81, B.2.4.5), which no decoder looks at."""
    start, rest = jpeg[:2], jpeg[2:]
    return start + b"\xff\xfe" + (2 + len(PLACE)).to_bytes(2, "big") + PLACE + rest

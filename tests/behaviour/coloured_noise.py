"""Images on disk that a tiny network learns in an epoch or two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from vision.bundle import sha256_file
from vision.manifest import Manifest


def coloured_noise(folder: Path, splits: Sequence[str], *, side: int) -> Manifest:
    """Noise of that many pixels a side, of which one channel is brighter; an image for each split named."""
    rows, random = [], np.random.default_rng(0)
    for number, split in enumerate(splits):
        pixels = random.integers(0, 120, (side, side, 3), dtype=np.uint8)
        pixels[..., number % 3] += 100
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        rows.append((path.name, ["red", "green", "blue"][number % 3], split, sha256_file(path)))
    return Manifest(str(folder), pd.DataFrame(rows, columns=["path", "label", "split", "sha256"]))

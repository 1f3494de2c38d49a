"""Whether two thumbnails show the same picture: what decides about near-duplicates after the hashes.

A copy may be encoded again, resized, made a little brighter or cut at the edge. The two are laid over one
another (OpenCV's ECC finds the affine map: Evangelidis and Psarakis, PAMI 2008) and their colours correlated,
which neither brightness nor contrast changes. Mirror images are different pictures here: for letters,
digits and many products they are.

Chosen on 4,317 flowers, 5,421 groceries and 364 blood cells with 1,300, 1,300 and 130 seeded copies, and
looked at on the 60,000 images of CIFAR-10, pairs that were not seeded by eye. At 0.98 none of those looked at
showed different things; at 0.95 products appear that are held another way.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.image_array import Pixels

LEAST_CORRELATION = 0.98
# Below this side there is too little to see for a map to be found and trusted: of 1,797 digits of 8 x 8
# pixels, 473 pairs of different ones would be alike, and 4 are by this stricter rule, without a map.
LEAST_SIDE = 32
LEAST_CORRELATION_COARSE = 0.99
# A copy cut by 5 % is stretched by 5 % and moved by 5 %; a turned one is another picture.
LARGEST_STRETCH, LARGEST_SHEAR = 0.10, 0.03
# Below this deviation (of 255) an image is blank: there is nothing to correlate, and colours decide.
BLANK, BLANK_DIFFERENCE = 2.0, 3.0
STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 1e-3)  # half a millisecond
WINDOW = (3, 3)  # of the blur that keeps JPEG's noise from counting

Values = NDArray[np.float32]


def show_the_same(first: Pixels, second: Pixels, *, is_coarse: bool) -> bool:
    """Whether two thumbnails (H, W, 3), uint8, of one shape are almost the same picture.

    `is_coarse` says that one of the images has a side of less than LEAST_SIDE pixels.
    """
    if is_coarse:
        return _agree(first.astype(np.float32), second.astype(np.float32), LEAST_CORRELATION_COARSE)
    left, right = (cv2.GaussianBlur(image, WINDOW, 0).astype(np.float32) for image in (first, second))
    if _agree(left, right, LEAST_CORRELATION):
        return True
    mapping = _mapping(first, second)
    return mapping is not None and _agree(*_overlap(left, right, mapping), LEAST_CORRELATION)


def _agree(first: Values, second: Values, least: float) -> bool:
    """All channels as one: things of one shape and another colour do not agree."""
    if max(first.std(), second.std()) < BLANK:
        return bool(np.abs(first - second).mean() < BLANK_DIFFERENCE)
    left, right = first - first.mean(), second - second.mean()
    energy = float((left * left).sum()) * float((right * right).sum())
    return float((left * right).sum()) >= least * energy**0.5 and energy > 0


def _mapping(first: Pixels, second: Pixels) -> Values | None:
    """The affine map (2, 3) from pixels of the first to pixels of the second, if a small one is found."""
    left, right = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second))
    identity = np.eye(2, 3, dtype=np.float32)
    try:
        _, found = cv2.findTransformECC(
            left, right, identity.copy(), cv2.MOTION_AFFINE, STEPS, inputMask=None, gaussFiltSize=WINDOW[0]
        )
    except cv2.error:  # it did not converge: they have nothing in common
        return None
    change = np.abs(found - identity)
    height, width = left.shape
    stretch = max(change[0, 0], change[1, 1], change[0, 2] / width, change[1, 2] / height)
    shear = max(change[0, 1], change[1, 0])
    return found if stretch <= LARGEST_STRETCH and shear <= LARGEST_SHEAR else None


def _overlap(first: Values, second: Values, mapping: Values) -> tuple[Values, Values]:
    """The values of both where they cover one another, (n, 3)."""
    height, width = first.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(second, mapping, (width, height), flags=flags)
    inside = (
        cv2.warpAffine(np.ones((height, width), np.float32), mapping, (width, height), flags=flags) > 0.99
    )
    return first[inside], moved[inside]

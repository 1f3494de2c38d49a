"""McNemar's test: of the images that one of two models has right, does one have more than luck explains?"""

from __future__ import annotations

import math

SIGNIFICANT = 0.05
POWER = 0.8  # the usual chance of finding a difference that is there


def mcnemar(lost: int, gained: int) -> float:
    """The p-value of McNemar's test (1947), exact: would a coin have divided these images so unevenly?"""
    from scipy.stats import binomtest

    return float(binomtest(gained, lost + gained).pvalue) if lost + gained else 1.0


def images_needed(lost: int, gained: int, images: int) -> int | None:
    """Images to tell a difference of this size with power 0.8 at 0.05; None where there is none.

    Connor 1987 (Biometrics 43:207), page 209, of McNemar's test: from the shares of images that changed
    either way. At least one more than there are: few changes need more than his normal approximation says.
    """
    from scipy.stats import norm

    if lost == gained:
        return None
    changed, difference = (lost + gained) / images, abs(gained - lost) / images
    chance, power = (float(norm.ppf(share)) for share in (1 - SIGNIFICANT / 2, POWER))
    root = (chance * math.sqrt(changed) + power * math.sqrt(changed - difference**2)) / difference
    return max(math.ceil(root**2), images + 1)

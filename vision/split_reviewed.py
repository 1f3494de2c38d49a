"""Which reviewed images are trained on; no other image changes its split for them.

They become training images only: the test stays what it was, and so do the validation images, on which
confidence is calibrated. Images that were picked because the model was unsure of them would bias both
(Farquhar et al. 2021, "On Statistical Bias In Active Learning").
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.manifest import EXCLUDED, REVIEWED

logger = logging.getLogger(__name__)

HELD_OUT = ("validation", "test")


def split_reviewed(
    table: pd.DataFrame, units: NDArray[np.intp], remembered: Mapping[str, str]
) -> NDArray[np.object_]:
    """The split of each row (N,): REVIEWED ones are in train, or excluded where linked to held-out images.

    `units` (N,) are the same for linked rows. An image that is held out in `remembered` (sha256 -> split) is
    not trained on either, though the data no longer has it.
    """
    is_reviewed = (table["split"] == REVIEWED).to_numpy()
    is_held_out = table["split"].isin(HELD_OUT) | table["sha256"].map(remembered).isin(HELD_OUT)
    is_linked = is_reviewed & np.isin(units, units[is_held_out.to_numpy()])
    if is_linked.any():
        logger.warning(
            "%d reviewed images are excluded, linked to validation or test images: %s",
            is_linked.sum(), ", ".join(table["path"][is_linked].head(5)),
        )  # fmt: skip
    trained_on = np.where(is_reviewed, "train", table["split"].to_numpy(object))
    return np.where(is_linked, EXCLUDED, trained_on)

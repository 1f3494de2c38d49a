"""The threshold of a multi-label classifier that finds a promised share of an image's labels.

Conformal risk control (Angelopoulos et al. 2022), by MAPIE: the expected recall of a new image, and not only
that of the validation images, is at least what was asked for.
"""

from __future__ import annotations

import warnings

import numpy as np

from vision.errors import ConfigError
from vision.task import Labels, Probabilities

# With 1, at which no label is given: without it MAPIE takes a perfect classifier, whose recall is 1 at every
# threshold, for one whose recall grows with the threshold, and answers 0.
THRESHOLDS = np.linspace(0, 1, 101)


def fit_recall_threshold(probabilities: Probabilities, labels: Labels, min_recall: float) -> float:
    """The highest threshold, 0..0.99, at which a share of min_recall of a new image's labels is found.

    Of probabilities (N, K) and labels (N, K), 0 or 1, of images that are exchangeable with new ones. One
    threshold for all labels: the promise is of the mean over images, not of each label. An image without
    a label has no recall and does not count. ConfigError where no threshold keeps the promise: of N images
    none can promise more than N / (N + 1).
    """
    from mapie.risk_control import MultiLabelClassificationController

    has_label = labels.any(axis=1)
    if not has_label.any():
        raise ConfigError(_out_of_reach(min_recall, 0))
    controller = MultiLabelClassificationController(
        predict_function=np.asarray,
        risk="recall",
        method="crc",
        target_level=min_recall,
        predict_params=THRESHOLDS,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it cannot be controlled: an error, below
        controller.calibrate(probabilities[has_label], labels[has_label])
    if controller.r_hat_plus[0] >= 1 - min_recall:
        raise ConfigError(_out_of_reach(min_recall, int(has_label.sum())))
    return float(controller.best_predict_param[0])


def _out_of_reach(min_recall: float, images: int) -> str:
    return (
        f"a recall of {min_recall:g} cannot be promised: {images} validation images with a label are in the"
        f" half that fits the threshold, allowed are at least {1 / (1 - min_recall):.0f}; lower"
        " config.calibrate.min_recall or raise config.split.validation"
    )

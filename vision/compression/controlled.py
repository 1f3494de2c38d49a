"""int8 with a limit on what it may cost: NNCF's quantisation with accuracy control."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vision.exporting.converters import batch_of_one, whole_ranges
from vision.right_answers import right_images
from vision.runtimes import MAX_BATCH
from vision.runtimes.openvino_runtime import OpenVINORuntime

if TYPE_CHECKING:
    from vision.compression.conversions import Limit


def quantise_within(saved_model: Path, calibration: NDArray[np.uint8], limit: Limit) -> OpenVINORuntime:
    """The model in int8, but for those layers that would cost more validation accuracy than the limit.

    `calibration` (N, H, W, 3), uint8 0..255, are training images.
    """
    import nncf
    import openvino as ov

    images = limit.validation.images
    quantised = nncf.quantize_with_accuracy_control(
        ov.convert_model(str(saved_model)),
        nncf.Dataset(calibration, batch_of_one),
        nncf.Dataset(range(len(images)), lambda row: batch_of_one(images[row])),
        lambda compiled, rows: _accuracy(compiled, limit, rows),
        max_drop=limit.max_drop,
        drop_type=nncf.DropType.ABSOLUTE,
        subset_size=len(calibration),
        fast_bias_correction=False,
        advanced_quantization_parameters=whole_ranges(),
    )
    return OpenVINORuntime(quantised, "int8")


def _accuracy(compiled: Any, limit: Limit, rows: Iterable[int]) -> tuple[float, list[float]]:
    """Share of the validation images of these rows that are right, and 1 or 0 for each."""
    places = np.fromiter(rows, int)
    batches = np.split(places, range(MAX_BATCH, len(places), MAX_BATCH))
    logits = [compiled(limit.validation.images[batch].astype(np.float32))[0] for batch in batches]
    probabilities = limit.classifier.to_probabilities(np.concatenate(logits))
    right = right_images(
        limit.validation.labels[places], probabilities, thresholds=limit.classifier.thresholds
    )
    return float(right.mean()), right.astype(float).tolist()

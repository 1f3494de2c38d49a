"""One format of a classifier: written, compared with the original, and sealed, or not there at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.bundle import atomic_folder, seal
from vision.classifier import ImageClassifier
from vision.errors import BundleError
from vision.exporting.files import Calibration, ExportSkipped
from vision.exporting.formats import FORMATS, Format
from vision.exporting.parity import Parity, check_parity


@dataclass(frozen=True)
class Exported:
    """What stands in the output folder. `parity` is None of a format that nothing here can run."""

    path: Path
    size_bytes: int
    parity: Parity | None


def export_checked(
    name: str,
    classifier: ImageClassifier,
    folder: Path,
    *,
    calibration: Calibration,
    pixels: NDArray[np.uint8],
) -> Exported:
    """The classifier, whose runtime is Keras, in the format of that name, as a sealed folder.

    It is compared with the original on `pixels` (N, H, W, 3), uint8 0..255, int8 on the calibration images:
    BundleError where it answers otherwise. ExportSkipped where the format needs what is not here. Other
    errors are those of the converters. An earlier export in `folder` is replaced by a whole one, or left as
    it was.
    """
    row = FORMATS[name]
    if row.precision == "int8" and calibration is None:
        raise ExportSkipped(f"{name} needs training images to be calibrated by: set --calibration FOLDER")
    with atomic_folder(folder) as temporary:
        path = row.export(classifier, temporary, calibration)
        place = folder / path.relative_to(temporary)
        size_bytes = sum(file.stat().st_size for file in temporary.rglob("*") if file.is_file())
        compared = calibration if row.precision == "int8" and calibration is not None else pixels
        parity = _check(name, row, classifier, temporary, pixels=compared)
        # Rules of doubt are of the original's logits.
        described = replace(classifier, uncertainty=None).description(row.runtime, row.precision)
        seal(temporary, {"format": name, **described})
    return Exported(place, size_bytes, parity)


def _check(
    name: str, row: Format, classifier: ImageClassifier, folder: Path, *, pixels: NDArray[np.uint8]
) -> Parity | None:
    if row.open is None:
        return None
    parity = check_parity(classifier, row.open(folder), pixels)
    if not parity.ok:
        raise BundleError(
            f"{name} was not kept: the {parity.judged} difference of its probabilities from the original's is"
            f" {parity.difference:.3g}, at most {parity.tolerance:g} is allowed in {row.precision}; choose"
            " another --format"
        )
    return parity

"""The ways from a SavedModel to a runtime that serves: one row for each runtime and precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision.compression_config import CompressConfig
from vision.exporting.converters import to_litert, to_openvino

if TYPE_CHECKING:
    from vision.classifier import ImageClassifier
    from vision.prepared import LabelledImages
    from vision.runtimes.litert_runtime import LiteRTRuntime
    from vision.runtimes.openvino_runtime import OpenVINORuntime


class Conversion(NamedTuple):
    """A row's key: a name of vision.runtimes.RUNTIMES and one of config.compress.precisions."""

    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


@dataclass(frozen=True)
class Limit:
    """What controlled int8 may lose: `max_drop`, 0..1, of the classifier's accuracy on `validation`."""

    classifier: ImageClassifier
    validation: LabelledImages
    max_drop: float


@dataclass(frozen=True)
class Material:
    """What a conversion begins with; `calibration` (N, H, W, 3), uint8 0..255, are training images."""

    saved_model: Path
    calibration: NDArray[np.uint8]
    limit: Limit | None = None


def to_bfloat16(material: Material) -> OpenVINORuntime:
    """The file holds float32; weights are rounded when it is opened, on a processor that has bfloat16."""
    import openvino as ov

    from vision.runtimes.openvino_runtime import OpenVINORuntime

    return OpenVINORuntime(ov.convert_model(str(material.saved_model)), "bfloat16")


def to_controlled_int8(material: Material) -> OpenVINORuntime:
    """int8 in which NNCF puts layers back to float32 until the limit is kept."""
    from vision.compression.controlled import quantise_within

    assert material.limit, "controlled int8 needs a limit"
    return quantise_within(material.saved_model, material.calibration, material.limit)


# In the order in which they are tried.
CONVERSIONS: dict[Conversion, Callable[[Material], LiteRTRuntime | OpenVINORuntime]] = {
    Conversion("litert", "float32"): lambda material: to_litert(material.saved_model),
    Conversion("litert", "int8"): lambda material: to_litert(material.saved_model, material.calibration),
    Conversion("openvino", "float32"): lambda material: to_openvino(material.saved_model),
    Conversion("openvino", "bfloat16"): to_bfloat16,
    Conversion("openvino", "int8"): lambda material: to_openvino(material.saved_model, material.calibration),
    Conversion("openvino", "int8_float_stem"): lambda material: to_openvino(
        material.saved_model, material.calibration, float_stem=True
    ),
    Conversion("openvino", "int8_controlled"): to_controlled_int8,
}


def conversions(config: CompressConfig) -> list[Conversion]:
    """Those that the configuration allows and this processor has."""
    return [
        conversion
        for conversion in CONVERSIONS
        if conversion.runtime in config.runtimes
        and conversion.precision in config.precisions
        and (conversion.precision != "bfloat16" or has_bfloat16())
    ]


@cache
def has_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 here; elsewhere it takes float32 without a word."""
    import openvino as ov

    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")

"""How far the model may be made smaller, and at what cost of accuracy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vision.model_config import ModelConfig
from vision.section import Section
from vision.training_config import TrainConfig

Precision = Literal["float32", "bfloat16", "int8", "int8_float_stem", "int8_controlled"]


class PruneConfig(Section):
    """Channels removed, in shares of each layer's width, and the training after it."""

    shares: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="of the channels, that the search may choose of; none: no pruning"
    )
    rounds: int = Field(1, ge=1, description="1: all at once; more: little by little, trained in between")
    distil: bool = Field(
        False, description="what is left also learns from the answers of the network that was pruned"
    )
    train: TrainConfig = TrainConfig(recipe="after_pruning")


class DistilConfig(Section):
    """Smaller networks that learn from the trained one."""

    students: tuple[ModelConfig, ...] = Field((), description="that the search may choose of")
    train: TrainConfig = TrainConfig(recipe="student")


class CompressConfig(Section):
    """What is tried to make the model smaller and faster, and what it may cost."""

    max_accuracy_drop: float = Field(
        0.5,
        ge=0,
        description="percentage points of validation accuracy that may be lost, by the upper end of the"
        " loss's 95 % interval",
    )
    max_megabytes: float | None = Field(
        None,
        gt=0,
        description="of the files that serve, 10^6 bytes each; where nothing that keeps its accuracy is so"
        " small, the smallest that does serves. null: any size",
    )
    calibration_images: int = Field(300, ge=1, description="training images shown to the quantiser")
    runtimes: tuple[Literal["litert", "openvino"], ...] = Field(("litert", "openvino"), min_length=1)
    precisions: tuple[Precision, ...] = Field(
        ("float32", "bfloat16", "int8"),
        min_length=1,
        description="int8_float_stem: the convolutions of the pixels stay float32; int8_controlled: layers"
        " that cost too much accuracy do; OpenVINO alone has both, and bfloat16",
    )
    prune: PruneConfig = PruneConfig()
    distil: DistilConfig = DistilConfig()
    trials: int = Field(0, ge=0, description="of pruned networks and students, besides the plain conversions")
    minutes: float = Field(60, gt=0, description="after these no other trial begins")

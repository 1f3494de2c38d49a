"""The schema of the one `config` tree in the YAML, sections in pipeline order.

Frozen, unknown keys refused. The values live in zenml_config.yaml and configs/; the defaults here keep
those files short and tests small. A step receives its own section and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from vision.augmentation_policy import AugmentationPolicy
from vision.batch_config import BatchConfig
from vision.compression_config import CompressConfig
from vision.data_config import DataConfig
from vision.errors import ConfigError, one_of
from vision.model_config import ModelConfig
from vision.operation_config import (
    AlertsConfig,
    MonitorConfig,
    RetrainConfig,
    ReviewConfig,
    ScheduleConfig,
)
from vision.preprocessing import Preprocessing
from vision.promotion.decision import PromotionRules
from vision.quality_config import QualityConfig
from vision.section import Section
from vision.training_config import EnsembleConfig, PretrainConfig, TrackConfig, TrainConfig, TuneConfig
from vision.workers_config import WorkersConfig

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"


class ContractsConfig(Section):
    """Great Expectations suites that the data must meet."""

    manifest: Path = Path("data_contracts/manifest.yaml")
    images: Path = Path("data_contracts/images.yaml")


class SplitConfig(Section):
    """Shares of all images, used where the source is not split already."""

    validation: Fraction = Field(0.2, description="share of the images that are not test images")
    test: Fraction = Field(0.2, description="share of all images")
    sticky: bool = Field(True, description="an image keeps the split that it had in earlier runs")
    near_duplicates_together: bool = Field(True, description="a cluster of near-duplicates shares a split")


class CrossValidateConfig(WorkersConfig):
    """k trainings, each judged by the images that it did not see; beside the one that serves."""

    folds: int = Field(
        0, ge=0, le=20, description="parts of the training and validation images; 0: off, else 2 or more"
    )

    @field_validator("folds")
    @classmethod
    def _enough(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError(
                "1 fold leaves no image to train on, allowed are 0 (off) and 2 to 20; set"
                " config.cross_validate.folds"
            )
        return folds


class EvaluateConfig(Section):
    """What the report shows."""

    resamples: int = Field(300, ge=10, description="bootstrap resamples of each interval")
    gallery_images: int = Field(12, ge=0, le=64, description="activation maps and mistakes shown")
    robustness_images: int = Field(
        200, ge=0, description="test images that are corrupted in 83 ways; 0: none"
    )
    dropout_passes: int = Field(
        0, ge=0, description="draws of Monte Carlo dropout, which needs a dropout layer; 0: none"
    )


class CalibrateConfig(Section):
    """Confidence that agrees with accuracy, and what to do in doubt; fitted to validation images."""

    method: Literal["scalar", "vector"] = Field(
        "scalar",
        description="one temperature, or a scale and a bias a class",
    )
    sets: Literal["lac", "aps", "raps", "none"] = Field(
        "lac", description="prediction sets: smallest, adaptive, adaptive without long tails (MAPIE's names)"
    )
    coverage: float = Field(0.9, ge=0.5, lt=1.0, description="share of the sets that hold the image's class")
    per_class: bool = Field(False, description="the coverage is promised for the images of each class")
    min_recall: float | None = Field(
        None, gt=0.0, lt=1.0, description="several labels an image: share of them to find; null: best F1"
    )
    target_error: float = Field(
        0.01,
        gt=0.0,
        lt=1.0,
        description="share of wrong answers where no person is asked; one class an image",
    )


class Config(Section):
    """Everything that a run can be told."""

    name: str = Field("digits", pattern=NAME_PATTERN, description="of the registered model")
    seed: int = Field(1, ge=0)
    data: DataConfig = DataConfig()
    quality: QualityConfig = QualityConfig()
    contracts: ContractsConfig = ContractsConfig()
    split: SplitConfig = SplitConfig()
    prepare: Preprocessing = Preprocessing()
    augment: AugmentationPolicy = AugmentationPolicy()
    model: ModelConfig = ModelConfig()
    tune: TuneConfig = TuneConfig()
    pretrain: PretrainConfig = PretrainConfig()
    train: TrainConfig = TrainConfig()
    ensemble: EnsembleConfig = EnsembleConfig()
    cross_validate: CrossValidateConfig = CrossValidateConfig()
    track: TrackConfig = TrackConfig()
    calibrate: CalibrateConfig = CalibrateConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    compress: CompressConfig = CompressConfig()
    promote: PromotionRules = PromotionRules()
    batch: BatchConfig = BatchConfig()
    monitor: MonitorConfig = MonitorConfig()
    review: ReviewConfig = ReviewConfig()
    retrain: RetrainConfig = RetrainConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    alerts: AlertsConfig = AlertsConfig()

    @field_validator("data")
    @classmethod
    def _source_known(cls, data: DataConfig) -> DataConfig:
        from vision.sources import SOURCES

        if data.source not in SOURCES:
            raise ValueError(one_of("source", data.source, SOURCES, "config.data.source"))
        return data

    @model_validator(mode="after")
    def _model_takes_images(self) -> Self:
        from models import ARCHITECTURES

        least = ARCHITECTURES[self.model.name].smallest_side
        height, width = self.prepare.image_size
        if min(height, width) < least:
            raise ValueError(
                f"prepare.image_size is {height} x {width} pixels, but {self.model.name} needs {least} x"
                f" {least} at least; set config.prepare.image_size or config.model.name"
            )
        return self

    @model_validator(mode="after")
    def _space_fits(self) -> Self:
        from vision.search_space import check_space

        try:
            check_space(self.tune.space, self.model, self.train, self.augment)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _has_features_to_keep(self) -> Self:
        if self.train.fine_tune and self.model.weights is None and self.pretrain.method == "none":
            raise ValueError(
                "train.fine_tune trains the head on the features of a network that has learned already, but"
                " model.weights is not set and pretrain.method is none; set config.model.weights to imagenet"
                " or a file, or config.train.recipe to one that starts from random weights"
            )
        return self

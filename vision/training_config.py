"""The sections of the configuration that say how to learn: one training, its preparation, its repetition."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from vision.errors import ConfigError, one_of
from vision.recipes import RECIPES
from vision.section import Section
from vision.workers_config import WorkersConfig

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class FineTuneConfig(Section):
    """Two phases: the head alone on features that are computed once, then the backbone from the top."""

    head_epochs: int = Field(30, ge=1, description="epochs of the head on cached features")
    head_learning_rate: float = Field(3e-4, gt=0, description="AdamW, cosine")
    unfrozen_share: Share = Field(1.0, description="share of the backbone's layers, from the top; 0: none")
    stages: int = Field(1, ge=1, description="the layers are unfrozen in this many stages, from the top")
    layer_decay: float = Field(0.9, gt=0, le=1, description="rate of a block / rate of the block above it")
    freeze_batch_norm: bool = Field(True, description="batch norm keeps the statistics of the pretraining")


class TrainConfig(Section):
    """One training run. The defaults are the recipe reference_b; `recipe` replaces them, other keys win."""

    recipe: str | None = Field(None, description="a name in vision.recipes.RECIPES")
    epochs: int = Field(50, ge=1)
    batch_size: int = Field(32, ge=1)
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="sgd with Nesterov momentum 0.9")
    learning_rate: float = Field(1e-3, gt=0, description="the highest of the schedule")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay a step")
    rate_decay: float = Field(1e-6, ge=0, description="the rate is divided by 1 + rate_decay * step")
    schedule: Literal["plateau", "cosine", "linear"] = Field(
        "plateau", description="fall by plateau_factor when stuck, or warm-up and fall to 0"
    )
    warm_up_share: float = Field(0.1, ge=0, lt=1, description="share of the steps; not of plateau")
    cycles: int = Field(1, ge=1, description="warm restarts of the schedule (Loshchilov & Hutter 2017)")
    plateau_factor: float = Field(0.2, gt=0, lt=1)
    plateau_patience: int = Field(8, ge=1, description="epochs")
    early_stopping_patience: int | None = Field(10, ge=1, description="epochs; null: never stops early")

    loss: Literal["cross_entropy", "focal", "asymmetric"] = Field(
        "cross_entropy", description="softmax or sigmoid; focal: Lin 2017; asymmetric: Ridnik 2021, sigmoid"
    )
    focal_gamma: float = Field(2.0, ge=0)
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: rare classes count more, as in scikit-learn"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    clip_norm: float | None = Field(None, gt=0, description="of all gradients together")
    ema_decay: float | None = Field(None, gt=0, lt=1, description="average of the weights, a step")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step")
    mixing_off_epochs: int = Field(0, ge=0, description="last epochs without MixUp and CutMix")
    first_size_share: float = Field(
        1.0, gt=0, le=1, description="progressive resizing: side of the first images / full side"
    )
    curriculum_epochs: int = Field(
        0, ge=0, description="first epochs that see the easy images first, by the model's own loss"
    )
    test_time_augmentation: Literal["none", "flip", "flip_and_shift"] = Field(
        "none", description="mean of the answers to an image and its mirror image; to both shifted by a pixel"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "float32", description="auto: float16 on a GPU, bfloat16 on a processor that has it; weights stay 32"
    )
    fine_tune: FineTuneConfig | None = Field(None, description="two phases, from pretrained weights")
    workers: int = Field(
        1, ge=1, description="processes that share each batch: of the cluster of RAY_ADDRESS, or this machine"
    )
    worker_cpus: int = Field(1, ge=1, description="cores of each of several workers")
    worker_gpus: int = Field(
        0, ge=0, le=1, description="GPUs of each of several workers: 1, or 0 to train on cores"
    )

    @model_validator(mode="after")
    def _an_image_each(self) -> TrainConfig:
        if self.workers > self.batch_size:
            raise ValueError(
                f"{self.workers} workers cannot share a batch of {self.batch_size} images: allowed are"
                f" 1..{self.batch_size} workers; set config.train.workers or config.train.batch_size"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _take_recipe(cls, values: Any) -> Any:
        """The recipe's values where the YAML says nothing else; sections are merged key by key."""
        if not isinstance(values, Mapping) or values.get("recipe") is None:
            return values
        name = values["recipe"]
        if name not in RECIPES:
            raise ValueError(one_of("recipe", str(name), RECIPES, "config.train.recipe"))
        merged = {**RECIPES[name].settings, **values}
        own = values.get("fine_tune")
        if isinstance(own, Mapping):
            merged["fine_tune"] = {**(RECIPES[name].settings.get("fine_tune") or {}), **own}
        return merged


class PretrainConfig(Section):
    """Self-supervised pre-training of the backbone, for few labels; `none` skips it."""

    method: Literal["none", "simclr", "byol"] = Field("none", description="Chen 2020; Grill 2020")
    images: Path | None = Field(
        None, description="folder of images without labels; default: the training images, labels unused"
    )
    epochs: int = Field(100, ge=1)
    batch_size: int = Field(256, ge=2)
    learning_rate: float = Field(1e-3, gt=0, description="AdamW, cosine")
    temperature: float = Field(0.2, gt=0, description="of SimCLR's NT-Xent loss")


class EnsembleConfig(Section):
    """Several trainings as one classifier; `none` trains once."""

    method: Literal["none", "seeds", "folds", "snapshots"] = Field(
        "none", description="snapshots: the ends of the cycles of one training (Huang 2017)"
    )
    members: int = Field(3, ge=2, le=20)
    combine: Literal["mean", "soup"] = Field(
        "mean", description="mean of probabilities, or one network of averaged weights (Wortsman 2022)"
    )


# A dimension of a search: choices, or a range.
Choices = tuple[bool | int | float | str, ...]


class Range(Section):
    """Numbers from low to high; whole ones where both are whole."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"low {self.low}, high {self.high}{', log' if self.log else ''}: low must be below high,"
                " and above 0 where log is true"
            )
        return self


class TuneConfig(WorkersConfig):
    """Search by Optuna; the best values replace those of the YAML."""

    trials: int = Field(0, ge=0, description="0 skips the search")
    epochs: int = Field(5, ge=1, description="epochs of one trial")
    timeout_seconds: float | None = Field(None, gt=0, description="no new trial after this long")
    storage: str | None = Field(
        None,
        description="URL of the PostgreSQL database that several hosts share; null: SQLite in the workspace",
    )
    pruner: Literal["asha", "hyperband", "median", "none"] = Field("asha", description="Li 2018 and 2020")
    warm_start: bool = Field(True, description="the best of the last search is among the first trials")
    space: dict[str, Range | Choices] = Field(
        {
            "train.learning_rate": Range(low=3e-4, high=1e-2, log=True),
            "train.label_smoothing": Range(low=0.0, high=0.2),
            "train.weight_decay": Range(low=1e-6, high=1e-2, log=True),
        },
        description="path of a field of model, train or augment -> choices, or low, high and log",
    )

    @field_validator("storage")
    @classmethod
    def _no_secret(cls, storage: str | None) -> str | None:
        from vision.tuning_storage import refuse_password

        try:
            if storage is not None:
                refuse_password(storage)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return storage


class TrackConfig(Section):
    """What is recorded beside parameters, curves, model and report."""

    system_metrics: bool = Field(True, description="processor, memory, disk and GPU use, to MLflow")
    tensorboard: bool = Field(False, description="event files below workspace/tensorboard")

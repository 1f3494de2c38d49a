"""What /v1/models says: which models there are, and the card of one, as the registry's files have it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from serving.schemas.answers import Described, ErrorAnswer
from vision.task import Task

UNKNOWN_MODEL: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "`unknown_model`: no model of that name has a champion"}
}
NOT_READABLE: dict[int | str, dict[str, Any]] = {
    503: {"model": ErrorAnswer, "description": "`not_ready`: its pointer or its bundle cannot be read"}
}


class Told(BaseModel):
    """A part of bundle.json; what else that part says is left out of the answer."""

    model_config = ConfigDict(extra="ignore")


class Interval(Told):
    """A metric of the test images, with the ends of its 95 % interval."""

    value: float = Field(examples=[0.982])
    low: float = Field(examples=[0.967])
    high: float = Field(examples=[0.991])


class Origin(Told):
    """Where the version comes from."""

    data_revision: str = Field(description="of the images that it was trained on")
    config_digest: str = Field(description="sha256 of the settings")
    git_commit: str
    parent: int | None = Field(None, description="the version that was champion before it was made")
    run_id: str | None = Field(None, description="of MLflow")
    weights: str = Field("random", description="what training began with")
    weights_licence: str = Field("", description="of those weights")


class Geometry(Told):
    image_size: tuple[int, int]


class Description(Told):
    """What the service tells of a bundle.json; the fields that older ones lack have defaults."""

    task: Task = "multi_class"
    class_names: list[str]
    preprocessing: Geometry
    runtime: str
    precision: str
    metrics: dict[str, Interval] = {}
    lineage: Origin | None = None


class Challenger(Described):
    """The version that shares the model's requests with its champion, and how."""

    version: int = Field(ge=1, examples=[4])
    loaded: bool = Field(description="false: the champion has all requests until it is")
    mode: Literal["split", "shadow"] = Field(description="shadow: its answers are logged, not given")
    share: float = Field(ge=0, le=1, description="of the requests that it has now", examples=[0.1])
    steps: list[float] = Field(description="the shares after the first, each `step_minutes` later")
    step_minutes: float = Field(gt=0)
    since: str = Field(description="when it began, ISO 8601")


class ModelSummary(Described):
    """One model that can be asked."""

    name: str = Field(examples=["digits"])
    default: bool = Field(description="whether it answers where no model is named")
    version: int = Field(ge=1, description="the champion's", examples=[3])
    loaded: bool = Field(description="false: it is loaded when it is first asked for")
    challenger: Challenger | None = Field(description="null: the champion has all requests")
    task: Task
    class_names: list[str]
    image_size: tuple[int, int] = Field(description="height, width in pixels of what the model sees")
    runtime: str = Field(examples=["litert"])
    precision: str = Field(examples=["int8"])


class Models(RootModel[list[ModelSummary]]):
    """Every model, the default one first, the others by name."""


class ModelCard(ModelSummary):
    """One model, with what is known of its champion."""

    digest: str = Field(description="sha256 of the bundle's list of files")
    size_bytes: int = Field(ge=0, description="of its model files")
    metrics: dict[str, Interval] = Field(description="of the test images; empty where none were recorded")
    lineage: Origin | None = Field(description="null: it was registered without")

"""What the environment may set: SIGHTLINE_* variables, checked once when the service starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from serving.front.log_format import LogFormat
from vision.errors import ConfigError
from vision.processors import usable_processors

PREFIX = "SIGHTLINE_"
MEGABYTE = 1_000_000


def _divided(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _is_limit(value: str) -> str:
    from limits import parse  # 14 MB: only where a rate is set

    try:
        parse(value)
    except ValueError:
        raise ValueError('a number and second, minute, hour or day is allowed: "100/second"') from None
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_divided)]


class Settings(BaseModel):
    """Each field is the variable SIGHTLINE_<FIELD> in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(None, min_length=1, description="model served; default: the only champion")
    max_body_bytes: int = Field(20 * MEGABYTE, ge=1, description="larger requests are refused with 413")
    follow: bool = Field(False, description="in a Bento: serve the workspace's champion, not its own bundle")
    # The two together stay below service.py's BACKSTOP_SECONDS.
    body_seconds: float = Field(30, gt=0, le=60, description="time that a client has to send its request")
    answer_seconds: float = Field(30, gt=0, le=50, description="time in which it is answered, else 504")
    threads: int = Field(default_factory=usable_processors, ge=1, le=256, description="decode and inference")
    queue: int = Field(64, ge=0, description="requests that may wait for a thread; more are refused with 429")
    poll_seconds: float = Field(1, gt=0, description="how often the champion's pointer is read")
    retry_seconds: float = Field(30, gt=0, description="pause before a bundle that failed is tried again")
    models_megabytes: float = Field(
        500, gt=0, description="of model files loaded besides the default model's; the least used are dropped"
    )
    batch_images: int = Field(256, ge=1, le=10_000, description="images in one request of /v1/classify/batch")
    live_connections: int = Field(16, ge=0, description="of /v1/live at a time")
    cache_megabytes: float = Field(64, ge=0, description="answers that are remembered; 0: none")
    cache_seconds: float = Field(3600, gt=0, le=31_536_000, description="for how long they are")
    redis_url: str | None = Field(
        None, description="redis://...: answers are remembered there, for all workers"
    )
    log_format: LogFormat = Field("plain", description="json: one object a line, with the request's id")
    keys_file: Path | None = Field(
        None, description="hashed API keys (`sightline keys`); none: no key is asked"
    )
    traces_url: str | None = Field(
        None,
        pattern="^https?://",
        description="of an OpenTelemetry collector (OTLP over HTTP): http://host:4318/v1/traces",
    )
    rate: Annotated[str, AfterValidator(_is_limit)] | None = Field(
        None, description='requests allowed a key, or an address: "100/second"'
    )
    cors_origins: Names = Field((), description="origins whose pages may call, divided by commas")
    url_hosts: Names = Field(
        (), description="hosts that an image may be fetched from by URL; none: no URL is"
    )
    log_predictions: bool = Field(
        True, description="to the workspace's folder predictions/, for drift and feedback"
    )
    log_megabytes: float = Field(500, gt=0, description="of that folder; the oldest files are deleted")
    keep_images: float = Field(0, ge=0, le=1, description="share of the images kept beside the log")
    keep_doubtful: bool = Field(
        False,
        description="images of answers that abstain or are unusual are all kept, for `sightline review`",
    )
    keep_images_days: float = Field(30, gt=0, description="then they are deleted")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings; ConfigError in one line that names each variable that cannot work."""
        received = {name: environment.get(PREFIX + name.upper()) for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in received.items() if value})
        except ValidationError as error:
            raise ConfigError("; ".join(_line(problem) for problem in error.errors())) from None


def _line(problem: Mapping[str, object]) -> str:
    field = str(problem["loc"][0])  # type: ignore[index]
    return f'{PREFIX}{field.upper()}="{problem["input"]}": {problem["msg"]}; change or unset the variable'

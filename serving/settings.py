"""What the environment may set: SIGHTLINE_* variables, checked once when the service starts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vision.errors import ConfigError

PREFIX = "SIGHTLINE_"
MEGABYTE = 1_000_000


class Settings(BaseModel):
    """Each field is the variable SIGHTLINE_<FIELD> in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(None, min_length=1, description="model served; default: the only champion")
    max_body_bytes: int = Field(20 * MEGABYTE, ge=1, description="larger requests are refused with 413")
    follow: bool = Field(False, description="in a Bento: serve the workspace's champion, not its own bundle")
    # The two together stay below service.py's BACKSTOP_SECONDS.
    body_seconds: float = Field(30, gt=0, le=60, description="time that a client has to send its request")
    answer_seconds: float = Field(30, gt=0, le=50, description="time in which it is answered, else 504")
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, le=256, description="decode and inference"
    )
    poll_seconds: float = Field(1, gt=0, description="how often the champion's pointer is read")
    retry_seconds: float = Field(30, gt=0, description="pause before a bundle that failed is tried again")

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

"""Where the images come from: the section of the YAML that every source receives."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class DataConfig(BaseModel):
    """A source and what it needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field("digits", description="a name in vision.sources.SOURCES")
    path: Path | None = Field(None, description="folder of the images; digits needs none")

"""Where the images come from: the section of the YAML that every source receives."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TableColumns(BaseModel):
    """Names of the columns of a CSV or parquet file. `split` and `group` are used where they exist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = "path"
    label: str = "label"
    split: str = "split"
    group: str = Field("group", description="images of one group (patient, device, day) share a split")


class DataConfig(BaseModel):
    """A source and what it needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field("digits", description="a name in vision.sources.SOURCES")
    path: str | None = Field(
        None, description="folder, CSV or parquet file: local or an fsspec URL; digits and tfds need none"
    )
    name: str | None = Field(None, description="of a TensorFlow Dataset, for source tfds")
    columns: TableColumns = TableColumns()
    images: str | None = Field(
        None, description="folder below which a table's paths lie; its own folder if not given"
    )
    task: Literal["auto", "multi_class", "multi_label"] = Field(
        "auto", description='auto: a table with "|" in a label is multi-label, all else multi-class'
    )

"""What `sightline predict` and the pipeline batch_inference are told."""

from __future__ import annotations

from pydantic import Field, field_validator

from vision.errors import one_of
from vision.section import Section


class BatchConfig(Section):
    """Many images, predicted into a folder of parquet files."""

    paths: tuple[str, ...] = Field(
        (), description="images, folders, globs, .parquet tables of paths or bytes; local or URLs of fsspec"
    )
    output: str = Field("predictions", min_length=1, description="folder, or a URL that fsspec can write to")
    version: int | None = Field(None, ge=1, description="of config.name; null: the champion")
    engine: str = Field("processes", description="processes of this machine, or ray: an existing cluster")
    address: str = Field(
        "auto", min_length=1, description="of the Ray cluster: auto, or HOST:PORT of its head"
    )
    processes: int | None = Field(
        None, ge=1, le=4096, description="of one thread each; null: one a processor"
    )
    part_images: int = Field(
        500, ge=1, le=100_000, description="images a file: what a kill can cost a process"
    )
    path_column: str = Field("path", min_length=1, description="of a table: where the paths or names stand")
    bytes_column: str = Field("bytes", min_length=1, description="of a table that holds the encoded images")

    @field_validator("engine")
    @classmethod
    def _engine_known(cls, engine: str) -> str:
        from vision.batch.engines import ENGINES

        if engine not in ENGINES:
            raise ValueError(one_of("engine", engine, ENGINES, "config.batch.engine or --engine"))
        return engine

"""What the compress step tried and which row serves: read by the report without any runtime."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Measurement(BaseModel):
    """One row: accuracy (0..1) on validation images, latency at batch 1 on the machine that measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: str
    precision: str
    accuracy: float
    accuracy_drop_points: float
    size_bytes: int
    latency_ms: float
    is_within_budget: bool
    is_chosen: bool = False


class CompressionTable(BaseModel):
    """All that was tried, the Keras original first; exactly one row serves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[Measurement, ...]
    max_accuracy_drop: float

    @property
    def chosen(self) -> Measurement:
        return next(row for row in self.rows if row.is_chosen)

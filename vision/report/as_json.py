"""The report for machines: every number of the page as JSON, by a schema that is written beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from vision.compression.table import CompressionTable
from vision.evaluation import Evaluation
from vision.evidence.parts import Evidence
from vision.report.contents import Prediction, Report
from vision.report.summary import Point, summarise
from vision.tuning_parameters import SearchRecord

# "$schema" of a report is resolved beside it. The number is raised where a field changes its meaning or goes.
SCHEMA_FILE: Final = "report-2.schema.json"


class _Numbers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)


class PredictionNumbers(_Numbers):
    """One image of a gallery; `probability`, 0..1, is of the class `explained`."""

    path: str
    true: tuple[str, ...]
    predicted: tuple[str, ...]
    explained: str
    probability: float


class ReportNumbers(_Numbers):
    """The whole report without pictures; shares are 0..1, a number that is not finite is null."""

    schema_file: Literal["report-2.schema.json"] = Field(SCHEMA_FILE, alias="$schema")
    title: str
    summary: tuple[Point, ...]
    evaluation: Evaluation
    evidence: Evidence
    facts: dict[str, str]
    comparison: dict[str, Evaluation]
    compression: CompressionTable | None
    history: dict[str, tuple[float | None, ...]]
    class_counts: dict[str, tuple[int, ...]]
    activation_method: str
    activations: tuple[PredictionNumbers, ...]
    mistakes: tuple[PredictionNumbers, ...]
    search: SearchRecord | None


def report_json(report: Report) -> str:
    """The report as JSON, one line; valid by `report_schema`."""
    return _numbers(report).model_dump_json()


def report_schema() -> str:
    """The JSON Schema (draft 2020-12) of `report_json`, to be written as SCHEMA_FILE beside it."""
    schema = ReportNumbers.model_json_schema(mode="serialization")
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps({"$schema": dialect, "$id": SCHEMA_FILE, **schema}, indent=1)


def _numbers(report: Report) -> ReportNumbers:
    return ReportNumbers(
        title=report.title,
        summary=summarise(report),
        evaluation=report.evaluation,
        evidence=report.evidence,
        facts=dict(report.facts),
        comparison=dict(report.comparison),
        compression=report.compression,
        history={name: tuple(map(_finite, values)) for name, values in report.history.items()},
        class_counts={split: tuple(counts) for split, counts in report.class_counts.items()},
        activation_method=report.activation_method,
        activations=_predictions(report.activations),
        mistakes=_predictions(report.mistakes),
        search=report.search,
    )


def _finite(value: float) -> float | None:
    """None for a loss that diverged: JSON has no word for it."""
    return float(value) if math.isfinite(value) else None


def _predictions(predictions: Sequence[Prediction]) -> tuple[PredictionNumbers, ...]:
    return tuple(PredictionNumbers.model_validate(shown, from_attributes=True) for shown in predictions)

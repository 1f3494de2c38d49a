"""The report for machines: valid by its schema, and the numbers are those of the page."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest

from tests.unit.report_evidence import evidence
from tests.unit.test_report import full_report
from vision.compression.table import CompressionTable
from vision.evaluation import evaluate_predictions
from vision.evidence.parts import Evidence
from vision.report import SCHEMA_FILE, Report, report_json, report_schema

EVALUATION = evaluate_predictions(np.eye(2), np.array([0, 1]), ("a", "b"), resamples=10)
LABELS = evaluate_predictions(np.full((2, 2), 0.7), np.eye(2, dtype=int), ("a", "b"), resamples=10)


def full() -> Report:
    report = full_report(("cat", "dog"))
    return Report(**{**vars(report), "evidence": evidence(2)})


@pytest.mark.parametrize(
    "report",
    [
        full(),
        Report("bare", EVALUATION),
        Report("labels", LABELS),
        Report("nan", EVALUATION, history={"loss": [np.nan]}),
    ],
    ids=lambda report: report.title,
)
def test_json_is_valid_by_its_schema(report) -> None:
    schema = json.loads(report_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(report_json(report)))


def test_a_report_of_another_shape_is_not_valid() -> None:
    numbers = json.loads(report_json(Report("bare", EVALUATION)))
    del numbers["evaluation"]["metrics"]
    validator = jsonschema.Draft202012Validator(json.loads(report_schema()))
    assert [error.message for error in validator.iter_errors(numbers)] == ["'metrics' is a required property"]


def test_report_names_its_schema() -> None:
    numbers = json.loads(report_json(Report("bare", EVALUATION)))
    assert numbers["$schema"] == SCHEMA_FILE == json.loads(report_schema())["$id"]


def test_all_numbers_are_there_and_no_pixels() -> None:
    report = full()
    numbers = json.loads(report_json(report))
    assert numbers["evaluation"] == json.loads(report.evaluation.model_dump_json())
    assert Evidence.model_validate(numbers["evidence"]) == report.evidence
    assert numbers["facts"] == {"Git commit": "8609f1a"}
    assert numbers["mistakes"] == [
        {
            "path": "test/a.png",
            "true": ["cat"],
            "predicted": ["dog"],
            "explained": "dog",
            "probability": 0.913,
        }
    ]
    assert numbers["compression"]["rows"][1]["size_bytes"] == 82_300
    assert CompressionTable.model_validate(numbers["compression"]) == report.compression


def test_what_diverged_is_null() -> None:
    report = Report("nan", EVALUATION, history={"loss": [1.0, np.nan, np.inf]})
    assert json.loads(report_json(report))["history"] == {"loss": [1.0, None, None]}

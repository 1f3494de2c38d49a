"""The evaluation report: one HTML page that needs nothing but itself, and says first what matters.

contents.py what is shown, predictions.py which images; wording.py and metric_words.py numbers in words,
findings.py and evidence_findings.py in sentences, summary.py the questions that they answer; images.py pixels
as data URIs, plots.py and the *_plots.py beside it the pictures; slice_rows.py and flips.py what fits a page;
page.py and report.html.j2 the page, with page.css and a template a section in it. as_json.py has the same
numbers for machines, model_card.py for people who look for a model.
"""

from __future__ import annotations

from vision.report.as_json import SCHEMA_FILE, report_json, report_schema
from vision.report.contents import (
    AugmentationExample,
    Prediction,
    Report,
)
from vision.report.model_card import model_card
from vision.report.page import render_report

__all__ = [
    "SCHEMA_FILE",
    "AugmentationExample",
    "Prediction",
    "Report",
    "model_card",
    "render_report",
    "report_json",
    "report_schema",
]

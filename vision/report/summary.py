"""What a person who must decide reads first: plain questions, each where evidence answers it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from vision.evaluation import Evaluation
from vision.evidence.parts import Evidence
from vision.paired import PairedComparison
from vision.report import evidence_findings, findings
from vision.report.contents import Report


class Point(BaseModel):
    """A question and the sentences that answer it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    sentences: tuple[str, ...]


def summarise(report: Report) -> tuple[Point, ...]:
    """The questions that this report can answer, in the order in which a person asks them."""
    evaluation, evidence = report.evaluation, report.evidence
    answers = {
        "What it is": (findings.purpose(evaluation),),
        "How often it is right": (findings.headline(evaluation), findings.baseline(evaluation)),
        "Where it fails": _failures(evaluation, evidence),
        "How sure this is": _certainty(evaluation, evidence),
        "In doubt": _doubt(evaluation, evidence),
        "Against the champion": (_change(evidence.champion),),
        "Made smaller to serve": (
            evidence_findings.describe_choice(report.compression) if report.compression else "",
            _change(evidence.compression),
        ),
    }
    told = {question: tuple(filter(None, sentences)) for question, sentences in answers.items()}
    return tuple(
        Point(question=question, sentences=sentences) for question, sentences in told.items() if sentences
    )


def _failures(evaluation: Evaluation, evidence: Evidence) -> tuple[str, ...]:
    worst = evidence.slices.worst[:1] if evidence.slices else ()
    robustness = evidence.robustness
    return (
        findings.mistakes(evaluation),
        findings.weakest(evaluation),
        *map(evidence_findings.describe_slice, worst),
        evidence_findings.describe_robustness(robustness) if robustness else "",
    )


def _certainty(evaluation: Evaluation, evidence: Evidence) -> tuple[str, ...]:
    validation = evidence.cross_validation
    return (
        findings.doubts(evaluation),
        evidence_findings.describe_folds(validation) if validation else "",
        evidence_findings.describe_label_issues(validation) if validation else "",
    )


def _doubt(evaluation: Evaluation, evidence: Evidence) -> tuple[str, ...]:
    uncertainty = evidence.uncertainty
    return (
        findings.confidence(evaluation),
        evidence_findings.describe_automation(uncertainty) if uncertainty else "",
        *map(evidence_findings.describe_sets, uncertainty.sets[:1] if uncertainty else ()),
    )


def _change(comparison: PairedComparison | None) -> str:
    return evidence_findings.describe_change(comparison) if comparison else ""

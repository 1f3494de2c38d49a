"""The model card: what the report knows, in the sections in which people look for it, as Markdown.

Sections of Mitchell et al. 2019 (Model Cards for Model Reporting, figure 1) in the order and by the names of
Hugging Face's card template. Nothing is made up: what only a person can know says who has to fill it in.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from vision.report.contents import Report

TEMPLATE = "model_card.md.j2"
# Rows of its tables: a card is read whole, the rest stands in the report.
MAX_CLASSES = 20
MAX_SLICES = 10
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&])")


class Verbatim(str):
    """Text that stays as it is: Markdown of our own, or what stands in a code block."""


def model_card(report: Report) -> str:
    """The card as Markdown, with YAML front matter."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # it is no HTML; `escape` makes names and paths plain text
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(**_variables(report))


def escape(shown: object) -> object:
    """What Markdown takes for plain text, on one line."""
    return shown if isinstance(shown, Verbatim) else SPECIAL.sub(r"\\\1", " ".join(str(shown).split()))


def owner(what: str) -> Verbatim:
    """The place of what only a person can know."""
    return Verbatim(f"*To be filled in by the owner: {what}.*")


def _variables(report: Report) -> dict[str, Any]:
    from vision.paired import in_words
    from vision.report import evidence_findings, findings, wording
    from vision.report.metric_words import describe_metric

    evaluation, doubt = report.evaluation, report.evidence.uncertainty
    ranked = sorted(evaluation.per_class, key=lambda scores: (scores.support == 0, scores.recall.value))
    is_multi_label = evaluation.task == "multi_label"
    return {
        "report": report,
        "evaluation": evaluation,
        "evidence": report.evidence,
        "model_name": Verbatim(shlex.quote(" ".join(report.title.split()))),
        "noun": "label" if is_multi_label else "class",
        "nouns": "labels" if is_multi_label else "classes",
        "metrics": [
            (describe_metric(evaluation.task, name), estimate)
            for name, estimate in evaluation.metrics.items()
        ],
        "weakest": ranked[:MAX_CLASSES],
        "hidden": max(0, len(ranked) - MAX_CLASSES),
        "worst_slices": report.evidence.slices.worst[:MAX_SLICES] if report.evidence.slices else (),
        "owner": owner,
        "compare_in_words": in_words,
        "automation": evidence_findings.describe_automation(doubt) if doubt else "",
        "find": findings,
        "say": evidence_findings,
        "words": wording,
    }

"""One look as a page: the verdict in words, the strangest images, what has changed, every test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vision.drift.contents import DriftReport, DriftTest
from vision.drift.finding import SUBJECTS, in_words
from vision.drift.gallery import most_drifted
from vision.drift.plots import plot_numbers, plot_predicted
from vision.drift.profile import Profile
from vision.image_array import ImageArray
from vision.report.images import Picture, thumbnail

TEMPLATE = "drift.html.j2"
STRANGEST = 24
OPEN_REASONS = 5  # the surest; the table has all
# Of the pictures' folder: the look and the macros of the evaluation's report, which this page shares.
REPORT = Path(__file__).parents[1] / "report"


def drift_page(report: DriftReport, reference: Profile, current: Profile, images: ImageArray) -> str:
    """The whole page as HTML, one file without outside parts. `images` (M, H, W, 3), uint8 0..255, are the
    current ones, in the order of their embeddings; without any, it has no gallery."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, REPORT]),
        autoescape=True,  # class names are other people's text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(**_variables(report, reference, current, images))


def _variables(
    report: DriftReport, reference: Profile, current: Profile, images: ImageArray
) -> dict[str, Any]:
    from vision.report import wording

    rejected = [test for test in report.tests if test.is_rejected]
    others = [test for test in report.tests if not test.is_rejected]
    return {
        "report": report,
        "verdict": verdict(report),
        "rejected": rejected,
        "open_reasons": OPEN_REASONS,
        "subjects": {
            title: [test for test in report.tests if test.subject == subject]
            for subject, title in SUBJECTS.items()
        },
        "drifted_plots": _histograms(rejected, reference, current),
        "other_plots": _histograms(others, reference, current),
        "predicted_plot": plot_predicted(report.predicted) if report.predicted else None,
        "accuracies": _accuracies(report),
        "strangest": _strangest(reference, current, images),
        "typical": [thumbnail(image, "an image of the reference") for image in reference.examples],
        "words": wording,
        "in_words": in_words,
    }


def verdict(report: DriftReport) -> str:
    """One line: whether the service sees something else, and in what."""
    if not report.enough_data:
        return "Too few answers to judge"
    if not report.is_drift:
        return "No drift: the service sees what the model was made for"
    found = {test.subject for test in report.tests if test.is_rejected}
    return f"Drift in {_listed([subject for subject in SUBJECTS if subject in found])}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _histograms(tests: Sequence[DriftTest], reference: Profile, current: Profile) -> list[Picture]:
    before, now = _numbers(reference, reference), _numbers(current, reference)
    return [plot_numbers(test.name, before[test.name], now[test.name]) for test in tests if test.name in now]


def _numbers(profile: Profile, reference: Profile) -> dict[str, Any]:
    """What has a histogram, by the name of its test."""
    confidence = reference.answering.confidence(profile.probabilities)
    return {**profile.properties, "confidence": confidence, "energy": profile.energy}


def _accuracies(report: DriftReport) -> dict[str, Any]:
    found = report.accuracy
    if found is None:
        return {}
    rows = {
        f"of the {report.reference_answers:,} reference images": found.reference,
        f"estimated of the {report.answers:,} answers": found.estimated,
        f"measured of the {report.judged:,} judged answers": found.measured,
        "what the answers say of themselves (mean confidence)": found.mean_confidence,
    }
    return {name: estimate for name, estimate in rows.items() if estimate}


def _strangest(reference: Profile, current: Profile, images: ImageArray) -> list[Picture]:
    if not len(images):
        return []
    rows = most_drifted(reference, current, count=STRANGEST)
    return [
        thumbnail(images[int(row)], f"served image, number {rank} of the strangest")
        for rank, row in enumerate(rows, start=1)
    ]

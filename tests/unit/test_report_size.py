"""The report of a large data set: ImageNet's 1,000 classes and 100,000 test images on one page that opens."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.unit.report_evidence import evidence
from vision.class_scores import class_scores, count_labels
from vision.curves import PrecisionRecallCurve, ReliabilityBin, RocCurve
from vision.evaluation import Evaluation, ModelFacts
from vision.intervals import MetricEstimate
from vision.metrics import METRICS
from vision.report import Prediction, Report, render_report
from vision.task import has_class

POINTS = 100  # of a curve, vision.curves.MAX_POINTS


def evaluation_of(classes: int, images: int) -> Evaluation:
    """Nine of ten answers are right; the curves have as many points as curves may have."""
    random = np.random.default_rng(0)
    names = tuple(f"class {place}" for place in range(classes))
    labels = random.integers(0, classes, images)
    answers = np.where(random.random(images) < 0.9, labels, random.integers(0, classes, images))
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (labels, answers), 1)
    counts = count_labels(has_class(labels, classes), has_class(answers, classes), names)
    rising = tuple(np.sort(random.random(POINTS)).tolist())
    return Evaluation(
        images=images,
        class_names=names,
        model=ModelFacts(),
        metrics={name: MetricEstimate(value=0.9, low=0.89, high=0.91) for name in METRICS},
        per_class=class_scores(counts),
        confusion=tuple(map(tuple, confusion.tolist())),
        reliability=(ReliabilityBin(low=0.9, high=1, images=images, confidence=0.95, accuracy=0.9),),
        roc=tuple(
            RocCurve(class_name=name, auc=0.9, false_positive_rate=rising, true_positive_rate=rising)
            for name in names
        ),
        precision_recall=tuple(
            PrecisionRecallCurve(name=name, average_precision=0.9, precision=rising[::-1], recall=rising)
            for name in names
        ),
    )


@pytest.mark.slow
def test_report_of_a_thousand_classes_opens() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (640, 480, 3), dtype=np.uint8)  # no image is larger
    shown = Prediction(noise, ("class 1",), ("class 2",), "class 2", 0.9, "test/a.jpg", overlay=noise)
    report = Report(
        "large",
        evaluation_of(1000, 100_000),
        evidence=evidence(1000),
        flipped=dict.fromkeys(range(40), noise),
        activations=(shown,) * 64,  # the most that the configuration allows
        mistakes=(Prediction(noise, ("class 1",), ("class 2",), "class 2", 0.9, "test/a.jpg"),) * 64,
    )
    start = time.process_time()  # not the wall's: other tests may run beside it

    html = render_report(report)

    assert time.process_time() - start < 60
    assert len(html.encode()) < 15_000_000


def test_long_tables_end_with_how_many_more_there_are(monkeypatch) -> None:
    monkeypatch.setattr("vision.report.page.MAX_ROWS", 40)
    html = render_report(Report("long", evaluation_of(47, 300)))
    table = html.split("The first 40 classes</summary>")[1].split("</section>")[0]
    assert table.count('<th scope="row">') == 40
    assert "and 7 more, in the JSON" in table

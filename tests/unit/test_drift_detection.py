"""A look at a service: silent without drift, as often as promised; loud with it; honest where it is blind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from tests.unit.drifting_service import seen, seen_labels
from vision.drift.contents import DriftReport
from vision.drift.detection import detect
from vision.drift.profile import Profile
from vision.errors import DataError
from vision.operation_config import MonitorConfig

CONFIG = MonitorConfig()
FREQUENT = MonitorConfig(least_answers=100, false_alarms=0.1, permutations=100)


def look(*, images: int = 200, seed: int = 0, **drift: Any) -> DriftReport:
    random = np.random.default_rng(seed)
    reference = seen(1000, 1000, random=random)
    return detect(reference, seen(600, images, random=random, **{"judged": 100, **drift}), CONFIG, seed=seed)


def rejected(report: DriftReport) -> set[str]:
    return {test.name for test in report.tests if test.is_rejected}


@pytest.mark.parametrize("make", [seen, pytest.param(seen_labels, marks=pytest.mark.slow)])
def test_false_alarms_are_as_rare_as_promised(make) -> None:
    looks, alarms = 200, 0
    for seed in range(looks):
        random = np.random.default_rng(seed)
        reference, current = make(200, 200, random=random), make(120, 60, random=random)
        alarms += detect(reference, current, FREQUENT, seed=seed).is_drift
    assert alarms <= binom.ppf(0.999, looks, FREQUENT.false_alarms)


def test_undrifted_service_is_not_complained_of() -> None:
    report = look()
    assert (report.enough_data, report.is_drift) == (True, False)
    assert report.reasons == (f"None of {len(report.tests)} tests found more than chance explains.",)


@pytest.mark.parametrize(
    ("drift", "found"),
    [
        ({"shift": 0.6}, {"embeddings", "domain classifier", "brightness", "sharpness"}),
        ({"prior": (0.55, 0.15, 0.15, 0.15)}, {"predicted classes"}),
        ({"new_share": 0.1}, {"energy", "unusual answers"}),
        ({"mistaught": 0.2}, {"right answers"}),
    ],
    ids=["corruption", "moved prior", "new class", "other truth"],
)
def test_drift_is_found_by_the_tests_that_can_see_it(drift, found) -> None:
    report = look(**drift)
    assert report.is_drift
    assert found <= rejected(report)
    assert all("more than chance explains" in reason for reason in report.reasons)


def test_other_truth_of_equal_images_moves_nothing_but_feedback() -> None:
    assert {test.subject for test in look(mistaught=0.3).tests if test.is_rejected} == {"feedback"}


def test_labels_that_are_given_more_often_are_found() -> None:
    random = np.random.default_rng(0)
    reference, current = (
        seen_labels(1000, 1000, random=random),
        seen_labels(600, 200, random=random, often=0.6),
    )
    report = detect(reference, current, CONFIG, seed=0)
    assert "predicted classes" in rejected(report)
    sun = report.predicted[0]
    assert (sun.name, round(sun.before, 1), round(sun.now, 1)) == ("sun", 0.4, 0.6)


def test_few_permutations_do_not_silence_a_strict_look() -> None:
    strict = MonitorConfig(false_alarms=0.001, permutations=100)
    random = np.random.default_rng(0)
    reference, current = (
        seen(1000, 1000, random=random),
        seen(600, 200, random=random, shift=1, prior=(0.7, 0.1, 0.1, 0.1)),
    )
    report = detect(reference, current, strict, seed=0)
    assert {"embeddings", "predicted classes"} <= rejected(report)


def test_too_few_answers_are_no_ground_for_a_judgement() -> None:
    random = np.random.default_rng(0)
    report = detect(seen(500, 500, random=random), seen(199, 100, random=random, shift=5), CONFIG, seed=0)
    assert (report.enough_data, report.is_drift, report.tests) == (False, False, ())
    assert report.reasons == (
        "199 answers are too few for a judgement: monitor.least_answers is 200 (monitor.days is 1).",
    )


def test_a_million_answers_are_no_more_work_than_thousands() -> None:
    random = np.random.default_rng(0)
    many = replace(
        current := seen(5000, 100, random=random),
        probabilities=np.tile(current.probabilities, (200, 1)),
        energy=np.tile(current.energy, 200),
    )
    report = detect(seen(1000, 1000, random=random), many, CONFIG, seed=0)
    assert (report.answers, report.is_drift) == (1_000_000, False)


def test_no_answer_at_all_is_no_ground_either() -> None:
    nothing = Profile(np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0, bool), np.zeros(0, bool))
    assert not detect(seen(50, 50, random=np.random.default_rng(0)), nothing, CONFIG, seed=0).enough_data


def test_what_cannot_be_seen_is_said() -> None:
    report = look(images=0, judged=0)
    assert {test.subject for test in report.tests} == {"predictions", "confidence", "energy"}
    images, truth = report.not_tested
    assert "SIGHTLINE_KEEP_IMAGES" in images
    assert "feedback" in truth


def test_what_is_equal_in_all_images_is_no_test() -> None:
    world = seen(300, 200, random=np.random.default_rng(0))
    gray = replace(world, properties={**world.properties, "brightness": np.full(200, 0.5)})
    assert "brightness" not in {test.name for test in detect(gray, gray, CONFIG, seed=0).tests}


def test_other_files_of_alike_images_are_no_drift() -> None:
    reference, current = (seen(300, 200, random=np.random.default_rng(seed)) for seed in (0, 1))
    wide = replace(current, properties={**current.properties, "width": np.arange(200.0)})

    report = detect(reference, wide, CONFIG, seed=0)

    assert not report.is_drift
    assert "width" not in {test.name for test in report.tests}
    assert any("Width" in said for said in report.not_tested)


def test_a_look_is_repeatable_and_goes_through_json() -> None:
    report = look(new_share=0.05)
    assert look(new_share=0.05) == report
    assert DriftReport.model_validate_json(report.model_dump_json()) == report


def test_p_values_are_corrected_by_holm() -> None:
    tests = look(shift=0.2).tests
    number = len(tests)
    first, second = (test.p_value for test in tests[:2])
    assert tests[0].p_adjusted == min(1, number * first)
    assert tests[1].p_adjusted == min(1, max(number * first, (number - 1) * second))


def test_answers_of_other_classes_are_refused() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(DataError, match="answers of 3 classes cannot be compared with a reference of 4"):
        detect(seen(300, 300, random=random), seen_labels(300, 300, random=random), CONFIG, seed=0)


def test_embeddings_of_another_classifier_are_refused() -> None:
    reference = seen(300, 300, random=np.random.default_rng(0))
    with pytest.raises(DataError, match=r"\(300, 6\) does not fit embeddings \(300, 2\)"):
        detect(reference, replace(reference, embeddings=reference.embeddings[:, :2]), CONFIG, seed=0)


def test_one_answer_to_everything_is_found() -> None:
    """A broken model: all answers alike, and every spread is nothing."""
    reference = seen(500, 500, random=np.random.default_rng(0))
    stuck = np.tile(np.array([[1, 0, 0, 0]], np.float32), (300, 1))
    current = Profile(stuck, np.zeros(300), np.zeros(0, bool), np.zeros(0, bool))
    assert {"predicted classes", "confidence", "energy"} <= rejected(
        detect(reference, current, CONFIG, seed=0)
    )

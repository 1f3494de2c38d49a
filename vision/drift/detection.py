"""One look at a time of service: every test of it, judged as one family, and the accuracy that is left."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vision.drift.accuracy import estimate_accuracy
from vision.drift.comparing_answers import compare_numbers, compare_predictions, count_unusual
from vision.drift.comparing_feedback import check_coverage, compare_right
from vision.drift.comparing_images import compare_embeddings, tell_apart
from vision.drift.contents import DriftReport, DriftTest, PredictedClass
from vision.drift.finding import Finding
from vision.drift.profile import Profile
from vision.errors import DataError
from vision.manifest import MEASURED
from vision.operation_config import MonitorConfig
from vision.slice_search import holm

# Fewer kept images tell nothing of embeddings of tens to thousands of numbers.
LEAST_IMAGES = 20
# More answers would be compared with the same few reference images: no test gets sharper by them.
MOST_ANSWERS = 5000
BY_PERMUTATION = 2  # tests
# Draws of a permutation test: its least p-value is then half of what Holm asks of the first test.
DRAWS_AT_LIMIT = 2


def detect(reference: Profile, current: Profile, config: MonitorConfig, *, seed: int) -> DriftReport:
    """Is what the service saw and said unlike the reference?

    The chance of a false alarm in one look is at most `config.false_alarms`, all tests together, by Holm's
    correction (1979): it needs no assumption on how tests depend on one another, and brightness, contrast,
    embeddings and confidence move together. The rate is over references as well as over looks: all looks at
    one reference share its luck. Permutation tests make at least the draws that the correction needs, more
    than `config.permutations` where that is too few. Of more than MOST_ANSWERS answers so many are drawn.
    DataError where the two are not of one classifier.
    """
    _check(reference, current)
    report = DriftReport(
        answers=current.answers,
        images=current.images,
        judged=len(current.right),
        reference_answers=reference.answers,
        enough_data=current.answers >= config.least_answers,
        is_drift=False,
        false_alarms=config.false_alarms,
        reasons=(_too_few(current, config),),
    )
    if not report.enough_data:
        return report
    random = np.random.default_rng(seed)
    current = _drawn(current, random)
    tests = _run_tests(reference, current, config, random)
    is_judged = len(reference.right) == reference.answers
    return report.model_copy(
        update={
            "is_drift": any(test.is_rejected for test in tests),
            "reasons": _reasons(tests),
            "not_tested": tuple(_not_tested(reference, current)),
            "tests": tests,
            "accuracy": estimate_accuracy(reference, current, seed=seed) if is_judged else None,
            "predicted": _predicted(reference, current),
        }
    )


def _check(reference: Profile, current: Profile) -> None:
    classes, names = reference.probabilities.shape[1], len(reference.answering.class_names)
    if current.probabilities.shape[1] != classes or names not in (0, classes):
        raise DataError(
            f"answers of {current.probabilities.shape[1]} classes cannot be compared with a reference of"
            f" {classes} with {names} names: allowed are answers of the version that the reference is of"
        )
    numbers = {profile.embeddings.shape[1] for profile in (reference, current) if profile.embeddings.size}
    if len(numbers) > 1 or not reference.answers:
        raise DataError(
            f"a reference of {reference.answers} answers with embeddings {reference.embeddings.shape} does"
            f" not fit embeddings {current.embeddings.shape}: both must be of one classifier; train and"
            " register it again"
        )


def _drawn(current: Profile, random: np.random.Generator) -> Profile:
    if current.answers <= MOST_ANSWERS:
        return current
    rows = np.sort(random.choice(current.answers, MOST_ANSWERS, replace=False))
    return replace(current, probabilities=current.probabilities[rows], energy=current.energy[rows])


def _run_tests(
    reference: Profile, current: Profile, config: MonitorConfig, random: np.random.Generator
) -> tuple[DriftTest, ...]:
    findings = [*_inputs(reference, current, random), *_answers(reference, current)]
    findings += _feedback(reference, current)
    needed = math.ceil(DRAWS_AT_LIMIT * (len(findings) + BY_PERMUTATION) / config.false_alarms)
    findings += _permuted(reference, current, max(config.permutations, needed), random)
    return _judge(findings, config.false_alarms)


def _too_few(current: Profile, config: MonitorConfig) -> str:
    return (
        f"{current.answers:,} answers are too few for a judgement: monitor.least_answers is"
        f" {config.least_answers:,} (monitor.days is {config.days:g})."
    )


def _inputs(reference: Profile, current: Profile, random: np.random.Generator) -> Iterator[Finding]:
    if current.images < LEAST_IMAGES:
        return
    for name, before in reference.properties.items():
        if name in MEASURED and name in current.properties and _vary(before, current.properties[name]):
            yield compare_numbers(name, before, current.properties[name], subject="inputs")
    if _has_embeddings(reference, current):
        yield tell_apart(reference.embeddings, current.embeddings, random=random)


def _answers(reference: Profile, current: Profile) -> Iterator[Finding]:
    confidences = [reference.answering.confidence(each.probabilities) for each in (reference, current)]
    if _vary(*confidences):
        yield compare_numbers("confidence", *confidences, subject="confidence")
    if _vary(reference.energy, current.energy):
        yield compare_numbers("energy", reference.energy, current.energy, subject="energy")
        yield count_unusual(reference.energy, current.energy)


def _feedback(reference: Profile, current: Profile) -> Iterator[Finding]:
    promised = reference.answering.coverage
    if promised is not None and len(current.covered):
        # A half of the validation images calibrates the sets: vision.calibration.calibrate_classifier.
        yield check_coverage(current.covered, promised=promised, calibrated_on=len(reference.covered) // 2)
    if len(current.right) and len(reference.right):
        yield compare_right(reference.right, current.right)


def _permuted(
    reference: Profile, current: Profile, permutations: int, random: np.random.Generator
) -> Iterator[Finding]:
    given = [reference.answering.given(each.probabilities) for each in (reference, current)]
    task = reference.answering.task
    yield compare_predictions(*given, task=task, permutations=permutations, random=random)
    if _has_embeddings(reference, current):
        pair = reference.embeddings, current.embeddings
        yield compare_embeddings(*pair, permutations=permutations, random=random)


def _has_embeddings(reference: Profile, current: Profile) -> bool:
    enough = min(len(reference.embeddings), len(current.embeddings)) >= LEAST_IMAGES
    return enough and _vary(reference.embeddings, current.embeddings)


def _vary(before: NDArray[np.floating], now: NDArray[np.floating]) -> bool:
    """Whether there is anything to test: of rows that are all equal, test and correction would tell nothing.

    It is asked of both together, so it does not depend on which is which, and the tests stay exact.
    """
    return bool((before != before[0]).any() or (now != before[0]).any())


def _judge(findings: Sequence[Finding], false_alarms: float) -> tuple[DriftTest, ...]:
    adjusted = holm(np.array([finding.p_value for finding in findings]))
    tests = [
        _judged(finding, float(value), is_rejected=bool(value <= false_alarms))
        for finding, value in zip(findings, adjusted, strict=True)
    ]
    return tuple(sorted(tests, key=lambda test: test.p_value))


def _judged(finding: Finding, adjusted: float, *, is_rejected: bool) -> DriftTest:
    end = "more than chance explains" if is_rejected else "chance explains as much"
    known = {name: value for name, value in vars(finding).items() if name != "said"}
    return DriftTest(**known, p_adjusted=adjusted, is_rejected=is_rejected, meaning=f"{finding.said}: {end}.")


def _reasons(tests: Sequence[DriftTest]) -> tuple[str, ...]:
    rejected = tuple(test.meaning for test in tests if test.is_rejected)
    return rejected or (f"None of {len(tests)} tests found more than chance explains.",)


def _not_tested(reference: Profile, current: Profile) -> Iterator[str]:
    if current.images < LEAST_IMAGES:
        yield (
            f"What images look like: {current.images} were kept, at least {LEAST_IMAGES} are needed; set"
            " SIGHTLINE_KEEP_IMAGES for the service."
        )
    else:
        yield "Width, height and size of files: clients send other files than a data set has, and may."
    if not len(current.right):
        yield "Whether answers are right: nobody has judged one; feedback or reviews are needed."
    elif reference.answering.coverage is None:
        yield "Coverage: this version promises none."


def _predicted(reference: Profile, current: Profile) -> tuple[PredictedClass, ...]:
    answering = reference.answering
    before, now = (answering.given(each.probabilities).mean(axis=0) for each in (reference, current))
    names = answering.class_names or tuple(f"class {index}" for index in range(len(before)))
    return tuple(
        PredictedClass(name=name, before=float(old), now=float(new))
        for name, old, new in zip(names, before, now, strict=True)
    )

"""Parity: the difference of probabilities, at every image or on average, as the precision has it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.simulated_answers import TableRuntime, classifier_of, images_of
from vision.exporting.parity import BFLOAT16, FLOAT32, INT8, Parity, Tolerance, check_parity

# Probabilities 1/2, 1/2, then 3/4, 1/4.
LOGITS = np.log(np.array([[1, 1], [3, 1]], np.float32))
PIXELS = images_of(np.arange(2)).images


def parity_with(logits: np.ndarray, precision: str = "float32") -> Parity:
    return check_parity(classifier_of(LOGITS), TableRuntime(logits, precision=precision), PIXELS)  # type: ignore[arg-type]


def test_the_same_answers_differ_by_nothing() -> None:
    parity = parity_with(LOGITS)
    assert (parity.largest_difference, parity.mean_difference, parity.same_answer) == (0, 0, 1)
    assert parity.ok


def test_differences_by_hand() -> None:
    # The second image becomes 1/4, 3/4: its probabilities differ by a half, and its answer is another.
    parity = parity_with(np.log([[1, 1], [1, 3]]))
    assert parity.largest_difference == pytest.approx(0.5)
    assert parity.mean_difference == pytest.approx(0.25)
    assert parity.same_answer == 0.5
    assert not parity.ok


def test_probabilities_are_compared_as_calibrated() -> None:
    reference = classifier_of(LOGITS).with_temperature(0.5)
    # Divided by 0.5, ln 3 is ln 9: 9/10 against 1/2.
    parity = check_parity(reference, TableRuntime(np.zeros((2, 2), np.float32)), PIXELS)  # type: ignore[arg-type]
    assert parity.largest_difference == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float32", FLOAT32), ("bfloat16", BFLOAT16), ("int8", INT8), ("int8_controlled", INT8)],
)
def test_the_precision_decides_what_is_judged(precision: str, tolerance: Tolerance) -> None:
    parity = parity_with(LOGITS, precision)
    assert (parity.judged, parity.tolerance) == tolerance


def test_int8_is_judged_on_average() -> None:
    # One image of two is off by 0.15: the first, whose probabilities become 0.65 and 0.35.
    shifted = np.log([[0.65, 0.35], [3, 1]])
    assert parity_with(shifted, "int8").difference == pytest.approx(0.075)
    assert parity_with(shifted, "int8").ok
    assert not parity_with(shifted, "float32").ok


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_what_is_no_number_is_no_parity(precision: str) -> None:
    assert not parity_with(np.array([[0, 0], [np.nan, 0]]), precision).ok

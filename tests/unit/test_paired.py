"""Two models on the same images: counted by hand, with published sample sizes, and said in words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from vision.errors import DataError
from vision.mcnemar import images_needed, mcnemar
from vision.metrics import METRICS, MULTI_LABEL_METRICS, measure
from vision.paired import MOST_FLIPS, Flip, PairedComparison, compare_models, in_words

NAMES = ("cat", "dog", "eel")


def answering(answers: np.ndarray, confidence: float | np.ndarray = 0.8) -> np.ndarray:
    """Probabilities (N, 3) of these answers, the two others sharing the rest."""
    sure = np.broadcast_to(confidence, len(answers))[:, None]
    return np.where(np.eye(3)[answers] > 0, sure, (1 - sure) / 2)


def compare(both: int, lost: int, gained: int, neither: int) -> PairedComparison:
    """Of cats, of which a mistake is called a dog."""
    before = answering(np.repeat([0, 0, 1, 1], (both, lost, gained, neither)))
    after = answering(np.repeat([0, 1, 0, 1], (both, lost, gained, neither)))
    labels = np.zeros(len(before), int)
    return compare_models(labels, before, after, NAMES, names=("version 3", "version 4"), resamples=50)


def test_comparison_by_hand() -> None:
    found = compare(both=70, lost=4, gained=16, neither=10)
    assert (found.images, found.both_right, found.only_before_right, found.only_after_right) == (
        100,
        70,
        4,
        16,
    )
    assert found.differences["accuracy"].value == pytest.approx(0.12)
    # 2 * (1 + 20 + 190 + 1140 + 4845) / 2^20: at most 4 of 20 coins, and as few on the other side.
    assert found.p_value == pytest.approx(2 * (1 + 20 + 190 + 1140 + 4845) / 2**20)
    assert (found.verdict, found.images_needed) == ("better", None)
    assert (found.before, found.after) == ("version 3", "version 4")


def test_the_other_way_round_it_is_worse() -> None:
    found = compare(both=70, lost=16, gained=4, neither=10)
    assert (found.verdict, found.differences["accuracy"].value) == ("worse", pytest.approx(-0.12))
    assert found.differences["accuracy"].high < 0


def test_verdict_and_interval_mostly_agree() -> None:
    told = compare(both=700, lost=20, gained=60, neither=20)
    untold = compare(both=700, lost=38, gained=42, neither=20)
    assert told.differences["accuracy"].low > 0
    assert untold.differences["accuracy"].low < 0 < untold.differences["accuracy"].high
    assert untold.verdict == "too few images to tell"


def test_equal_models_cannot_be_told_apart() -> None:
    found = compare(both=30, lost=0, gained=0, neither=10)
    assert (found.p_value, found.verdict, found.images_needed, found.flips) == (
        1,
        "too few images to tell",
        None,
        (),
    )
    assert found.differences["macro_f1"].high == 0


@pytest.mark.parametrize("right", [0, 40], ids=["all wrong", "all right"])
def test_degenerate_models_are_compared(right: int) -> None:
    found = compare(both=right, lost=0, gained=0, neither=40 - right)
    assert set(found.differences) == set(METRICS)
    assert {difference.value for difference in found.differences.values()} == {0}


def test_one_image_is_too_few() -> None:
    found = compare(both=0, lost=0, gained=1, neither=0)
    assert (found.p_value, found.verdict) == (1, "too few images to tell")
    assert found.images_needed and found.images_needed > 1


@pytest.mark.parametrize(("lost", "gained"), [(0, 1), (3, 9), (20, 20), (400, 300)])
def test_p_value_is_that_of_the_sign_test(lost: int, gained: int) -> None:
    tail = binomtest(min(lost, gained), lost + gained, alternative="less").pvalue
    assert mcnemar(lost, gained) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(lost, gained) == mcnemar(gained, lost)


def test_images_needed_are_those_of_the_literature() -> None:
    # By Connor 1987, as two published calculators have it: 5 and 45 % changed: 22.01; 15 and 30 %: 155.
    assert images_needed(1, 9, 20) == 23
    assert images_needed(3, 6, 20) == 155
    assert images_needed(6, 3, 20) == 155


def test_images_needed_have_the_power_that_they_promise() -> None:
    needed = images_needed(lost=30, gained=45, images=1000)
    assert needed is not None
    changes = np.random.default_rng(0).multinomial(needed, (0.03, 0.045, 0.925), size=400)
    told = [mcnemar(lost, gained) < 0.05 for lost, gained, _ in changes.tolist()]
    assert np.mean(told) == pytest.approx(0.8, abs=0.06)  # three standard errors of 400 runs


@pytest.mark.parametrize(("lost", "gained", "images"), [(0, 5, 5), (0, 1, 1), (2, 9, 100), (5, 6, 11)])
def test_more_images_are_needed_than_did_not_suffice(lost: int, gained: int, images: int) -> None:
    assert mcnemar(lost, gained) > 0.05
    needed = images_needed(lost, gained, images)
    assert needed is not None and needed > images


def test_flips_are_the_surest_first() -> None:
    labels = np.array([0, 1, 2, 0, 1])
    before = answering(np.array([1, 1, 0, 0, 1]), np.array([0.9, 0.9, 0.95, 0.9, 0.6]))
    after = answering(np.array([0, 1, 2, 1, 2]), np.array([0.5, 0.9, 0.7, 0.9, 0.9]))
    # By the less sure of the two: image 3 at 0.9, image 2 at 0.7, image 4 at 0.6, image 0 at 0.5.
    flips = compare_models(labels, before, after, NAMES, resamples=10).flips
    assert [flip.row for flip in flips] == [3, 2, 4, 0]
    assert flips[1] == Flip(row=2, true=("eel",), before=("cat",), after=("eel",))


def test_flips_are_bounded() -> None:
    found = compare(both=0, lost=150, gained=150, neither=0)
    assert len(found.flips) == MOST_FLIPS == 200
    assert PairedComparison.model_validate_json(found.model_dump_json()) == found


def test_models_of_several_labels_are_compared_at_their_thresholds() -> None:
    labels = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    before = np.array([[0.9, 0.1, 0.4], [0.1, 0.9, 0.2], [0.1, 0.7, 0.2]])
    after = np.array([[0.9, 0.1, 0.4], [0.1, 0.9, 0.3], [0.1, 0.2, 0.2]])
    limits = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.25))
    found = compare_models(labels, before, after, NAMES, thresholds=limits, resamples=10)
    # Before, only image 1 is right; after, the eel of image 0 is found, one too many is seen on image 1.
    assert (found.both_right, found.only_before_right, found.only_after_right) == (0, 1, 2)
    assert set(found.differences) == set(MULTI_LABEL_METRICS)
    assert {flip.row: flip.after for flip in found.flips} == {0: ("cat", "eel"), 1: ("dog", "eel"), 2: ()}
    assert found.differences["micro_f1"].value == pytest.approx(
        measure("micro_f1", labels, after, thresholds=limits[1]) - measure("micro_f1", labels, before)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"after": np.full((4, 3), 1 / 3)}, "do not fit"),
        ({"after": np.full((5, 2), 1 / 2)}, "3 class names and 0 thresholds"),
        ({"class_names": ("cat", "dog")}, "2 class names"),
        ({"thresholds": ((), (0.5,))}, "1 thresholds"),
    ],
)
def test_models_that_do_not_fit_are_refused(change: dict[str, object], words: str) -> None:
    arguments = {
        "labels": np.zeros(5, int),
        "before": np.full((5, 3), 1 / 3),
        "after": np.full((5, 3), 1 / 3),
    }
    with pytest.raises(DataError, match=words):
        compare_models(**(arguments | {"class_names": NAMES} | change))  # type: ignore[arg-type]


def words(both: int, lost: int, gained: int, neither: int) -> str:
    return in_words(compare(both, lost, gained, neither)).replace("\u202f", " ")


def test_words_of_a_better_model() -> None:
    assert words(both=2205, lost=26, gained=61, neither=193) == (
        "version 4 is better: it is right on 2,266 of the same 2,485 images (91.2 %), version 3 on 2,231"
        " (89.8 %); McNemar p < 0.001. 61 images changed from wrong to right, 26 from right to wrong."
    )


def test_words_where_there_are_too_few_images() -> None:
    said = words(both=80, lost=2, gained=9, neither=9)
    assert said.startswith(
        "Too few images to tell: version 4 is right on 89 of the same 100 images (89.0 %),"
    )
    # Connor: 174 images; said to two figures, never fewer than needed.
    assert said.endswith("To tell a difference of this size, about 180 images would be needed.")


def test_words_where_no_difference_was_seen() -> None:
    assert words(both=30, lost=0, gained=0, neither=10).endswith(
        "; McNemar p = 1. 0 images changed from wrong to right, 0 from right to wrong."
    )
    assert "1 image changed from wrong to right, 1 from right" in words(both=9, lost=1, gained=1, neither=0)

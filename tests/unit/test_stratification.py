"""Which images form a unit, and which units are drawn."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from vision.stratification import draw, join

Counts = NDArray[np.int64]


def random_labels(seed: int, units: int = 800, classes: int = 20) -> Counts:
    """Labels (U, K) of 0 and 1, rare and frequent ones, that occur together more often than by chance."""
    generator = np.random.default_rng(seed)
    shares = generator.uniform(0.01, 0.4, classes)
    topics = generator.normal(size=(units, 3)) @ generator.normal(size=(3, classes))
    return (generator.random((units, classes)) < shares * np.exp(topics / 2)).astype(np.int64)


def rounded_share(counts: Counts, share: float) -> NDArray[np.float64]:
    rounded: NDArray[np.float64] = np.maximum(np.floor(counts.sum(axis=0) * share + 0.5), 1)
    return rounded


def drawn(counts: list[list[int]], wanted: list[int], **options: object) -> list[int]:
    """The numbers of the units that are drawn, in the order in which they stand."""
    mask = draw(counts, wanted, order=np.arange(len(counts)), **options)  # type: ignore[arg-type]
    return np.flatnonzero(mask).tolist()


def test_rows_with_an_equal_value_or_a_chain_of_them_are_one_unit() -> None:
    bytes_ = np.array(["a", "b", "b", "c", "d", "e"], object)
    groups = np.array(["x", "", "y", "y", "", ""], object)
    units = join([bytes_, groups])
    # 1 and 2 have the same bytes, 2 and 3 the same group; an empty value links nothing.
    assert units[1] == units[2] == units[3]
    assert sorted(set(units)) == [0, 1, 2, 3]


def test_single_labels_are_drawn_as_wanted_the_first_of_each_class() -> None:
    counts = [[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1]]
    assert drawn(counts, [2, 1]) == [0, 1, 2]


def test_the_order_decides_and_not_where_a_unit_stands() -> None:
    mask = draw([[1], [1], [1], [1]], [2], order=[3, 0, 2, 1])
    assert mask.tolist() == [False, True, False, True]


def test_the_rarest_class_is_drawn_first() -> None:
    # Class 1 is in every unit, class 0 in the last two: drawn first, it leaves one unit for class 1 alone.
    counts = [[0, 1]] * 8 + [[1, 1]] * 2
    assert drawn(counts, [1, 2]) == [0, 8]


def test_a_unit_that_is_too_big_is_left_for_smaller_ones() -> None:
    # 30 of 10 wanted images would miss by 20, none by 10.
    assert drawn([[30], *[[1]] * 20], [10]) == list(range(1, 11))


def test_a_class_of_big_units_still_gets_its_smallest() -> None:
    assert drawn([[20], [20], [18], [18], [20]], [4]) == [2]


def test_images_that_a_split_has_already_are_not_drawn_again() -> None:
    assert drawn([[1]] * 6, [4], present=[3]) == [0]
    assert drawn([[20]] * 6, [4], present=[3]) == []
    assert drawn([[1]] * 6, [4], present=[9]) == []


def test_units_are_kept_for_the_other_splits() -> None:
    assert drawn([[1], [1], [100]], [20], keep=[2]) == [0]
    assert drawn([[1], [1]], [1], keep=[2]) == []


def test_a_unit_is_kept_for_any_of_its_classes() -> None:
    # Class 0 has the first unit alone; class 1 finds another.
    assert drawn([[1, 1], [0, 1], [0, 1]], [1, 1], keep=[1, 1]) == [1]


@pytest.mark.parametrize("seed", range(5))
def test_every_class_with_two_units_is_on_both_sides(seed: int) -> None:
    counts = random_labels(seed, units=60, classes=30)
    mask = draw(counts, rounded_share(counts, 0.05), order=np.arange(60), keep=1)
    can_be = counts.sum(axis=0) >= 2
    assert (counts[mask].sum(axis=0)[can_be] > 0).all()
    assert (counts[~mask].sum(axis=0)[can_be] > 0).all()


def test_sparse_and_dense_counts_are_drawn_alike() -> None:
    from scipy.sparse import csr_array

    counts = random_labels(1)
    wanted = rounded_share(counts, 0.2)
    dense = draw(counts, wanted, order=np.arange(800))
    assert (dense == draw(csr_array(counts), wanted, order=np.arange(800))).all()


def test_shares_deviate_far_less_than_those_of_a_random_draw() -> None:
    ours, chance = [], []
    for seed in range(10):
        counts, order = random_labels(seed), np.random.default_rng(seed).permutation(800)
        mask = draw(counts, rounded_share(counts, 0.2), order=order)
        wanted = 0.2 * counts.sum(axis=0)
        ours.append(np.abs(counts[mask].sum(axis=0) - wanted))
        chance.append(np.abs(counts[order[:160]].sum(axis=0) - wanted))
    assert np.mean(ours) <= np.mean(chance) / 3


def test_units_of_mixed_classes_come_near_the_shares() -> None:
    # 60 groups of 1 to 40 images of 5 classes: a share of 20 % is met to within half a group.
    generator = np.random.default_rng(7)
    sizes = generator.integers(1, 41, 60)
    counts = np.array([generator.multinomial(size, generator.dirichlet(np.ones(5))) for size in sizes])
    mask = draw(counts, rounded_share(counts, 0.2), order=np.arange(60), keep=1)
    assert np.abs(counts[mask].sum(axis=0) - 0.2 * counts.sum(axis=0)).max() <= 20


@pytest.mark.slow
@pytest.mark.parametrize(("units", "classes", "seconds"), ((60_000, 10, 2.0), (20_000, 50, 5.0)))
def test_large_sets_are_drawn_in_seconds(units: int, classes: int, seconds: float) -> None:
    generator = np.random.default_rng(0)
    counts = generator.random((units, classes)) < 0.1
    if classes == 10:
        counts = np.eye(10, dtype=bool)[generator.integers(0, 10, units)]
    start = time.perf_counter()
    draw(counts.astype(np.int64), rounded_share(counts.astype(np.int64), 0.2), order=np.arange(units))
    assert time.perf_counter() - start < seconds

"""Slices: counted by hand, tested as scipy tests, planted ones found, none found where none is."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from vision.errors import DataError
from vision.intervals import wilson_interval
from vision.manifest import COLUMNS, ISSUES
from vision.slice_properties import image_properties
from vision.slice_search import count_parts, holm, p_values
from vision.slices import Slice, evaluate_slices


def manifest_rows(images: int, *, classes: int = 5, seed: int = 0, **columns: object) -> pd.DataFrame:
    """Rows of which nothing but the label and the measured properties varies, unless given."""
    random = np.random.default_rng(seed)
    label = np.array([f"class {k}" for k in random.integers(0, classes, images)], dtype=str)
    table = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(images)).assign(
        path=[f"test/{name}/{row}.png" for row, name in enumerate(label)],
        label=label, split="test", size_bytes=9, format="PNG", mode="RGB", width=40, height=30,
        is_readable=True, brightness=random.random(images), contrast=random.random(images) / 2,
        sharpness=random.random(images) * 2000, **dict.fromkeys(ISSUES.values(), False),
    )  # fmt: skip
    return table.assign(**columns)


def right_answers(table: pd.DataFrame, share: float = 0.9, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random(len(table)) < share


def named(slices: tuple[Slice, ...], column: str) -> dict[str, Slice]:
    """The slices of one property, by its value."""
    return {part.conditions[0][1]: part for part in slices if part.conditions[0][0] == column}


def test_slices_are_counted_by_hand() -> None:
    label = ["cat"] * 30 + ["dog"] * 50 + ["eel"] * 19
    table = manifest_rows(99, label=label, brightness=0.5, contrast=0.5, sharpness=9.0, path="1.png")
    is_right = np.r_[np.arange(30) < 15, np.arange(50) < 45, np.ones(19, bool)]
    cat, dog = evaluate_slices(is_right, table).slices  # of eels there are too few
    assert (cat.conditions, cat.images, cat.accuracy) == ((("label", "cat"),), 30, wilson_interval(15, 30))
    assert (dog.images, dog.rest) == (50, pytest.approx((15 + 19) / 49))
    assert cat.rest == pytest.approx((45 + 19) / 69)


def test_p_value_is_fishers_doubled_and_corrected() -> None:
    table = manifest_rows(100, label=["cat"] * 40 + ["dog"] * 60, brightness=0.5, contrast=0.5, sharpness=9.0)
    is_right = np.r_[np.arange(40) < 30, np.arange(60) < 55]
    cat, dog = evaluate_slices(is_right, table.assign(path="1.png")).slices
    tail = fisher_exact([[30, 10], [55, 5]], alternative="less").pvalue
    # Two slices were looked at, with the same table: Holm doubles the first, the second is no smaller.
    assert [cat.p_value, dog.p_value] == pytest.approx([4 * tail, 4 * tail])


@pytest.mark.parametrize("seed", range(3))
def test_all_tests_equal_those_of_scipy(seed: int) -> None:
    table = manifest_rows(400, seed=seed)
    is_right = right_answers(table, 0.8, seed)
    parts = count_parts(image_properties(table), is_right)
    expected = []
    for part in range(len(parts.images)):
        rows = np.isin(np.arange(400), parts.rows(part))
        conditions = [
            parts.members[:, [index]].toarray()[:, 0] > 0 for index in (parts.first[part], parts.second[part])
        ]
        wholes = [np.ones(400, bool)] if parts.is_single[part] else [np.ones(400, bool), *conditions]
        expected.append(max(doubled_tail(is_right, rows, whole, parts.is_single[part]) for whole in wholes))
    assert p_values(parts) == pytest.approx(holm(np.array(expected)))


def doubled_tail(is_right: np.ndarray, rows: np.ndarray, whole: np.ndarray, either_side: bool) -> float:
    """Of a pair, which has to be worse, 1 where it is not."""
    rest = whole & ~rows
    table = [[(is_right & part).sum(), (~is_right & part).sum()] for part in (rows, rest)]
    is_worse = rest.any() and is_right[rows].mean() < is_right[rest].mean()
    if not either_side and not is_worse:
        return 1.0
    return min(1.0, 2 * fisher_exact(table, alternative="less" if is_worse else "greater").pvalue)


def test_holm_by_hand() -> None:
    # Holm 1979: times 4, 3, 2 and 1 in growing order, and never smaller than the one before.
    assert holm(np.array([0.03, 0.01, 0.04, 0.005])) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]
    assert holm(np.zeros(0)).tolist() == []


@pytest.mark.parametrize("seed", range(3))
def test_planted_conjunction_is_found_first(seed: int) -> None:
    table = manifest_rows(4000, seed=seed)
    planted = ((table["label"] == "class 2") & (table["brightness"] < 0.25)).to_numpy()
    is_right = right_answers(table) & ~(planted & (np.random.default_rng(9).random(4000) < 0.4))
    worst = evaluate_slices(is_right, table).worst
    (_, label), (column, value) = worst[0].conditions
    assert (label, column) == ("class 2", "brightness")
    assert value.startswith("darkest quarter: 0.00 to 0.2")
    assert worst[0].accuracy.high < worst[0].rest
    gaps = [part.rest - part.accuracy.value for part in worst]
    assert gaps == sorted(gaps, reverse=True)


def test_pair_is_not_named_where_one_property_says_it_all() -> None:
    table = manifest_rows(4000)
    is_bad = (table["label"] == "class 2").to_numpy()
    is_right = np.where(is_bad, right_answers(table, 0.6), right_answers(table, 0.95))
    (worst,) = evaluate_slices(is_right, table).worst
    assert worst.conditions == (("label", "class 2"),)


def test_slices_are_named_by_chance_in_few_tables_of_twenty() -> None:
    tables = [manifest_rows(1000, seed=seed) for seed in range(40)]
    found = [
        bool(evaluate_slices(right_answers(table, seed=99 + seed), table).worst)
        for seed, table in enumerate(tables)
    ]
    assert sum(found) <= 5  # 5 % of 40 are 2; more than 5 have a chance of 1 % (binomial)


@pytest.mark.parametrize(
    "is_right", [np.ones(200, bool), np.zeros(200, bool)], ids=["all right", "all wrong"]
)
def test_nothing_is_worse_where_all_are_equal(is_right: np.ndarray) -> None:
    found = evaluate_slices(is_right, manifest_rows(200))
    assert found.worst == ()
    assert {part.p_value for part in found.slices} == {1.0}
    assert {part.rest for part in found.slices} == {float(is_right[0])}


@pytest.mark.parametrize("images", [0, 1, 19])
def test_few_images_have_no_slices(images: int) -> None:
    found = evaluate_slices(np.ones(images, bool), manifest_rows(images))
    assert (found.slices, found.worst) == ((), ())


def test_constant_properties_are_left_out_and_varying_ones_named() -> None:
    table = manifest_rows(80, classes=1, brightness=0.5, contrast=0.5, sharpness=0.0)
    table["path"] = [f"test/class 0/{site}/{row}.png" for row, site in enumerate(["north", "south"] * 40)]
    table["is_grayscale"] = np.arange(80) < 30
    table["mode"] = np.where(np.arange(80) < 30, "L", "RGB")
    found = {part.conditions[0]: part.images for part in evaluate_slices(right_answers(table), table).slices}
    assert found == {
        ("folder", "test/north"): 40,
        ("folder", "test/south"): 40,
        ("mode", "L"): 30,
        ("mode", "RGB"): 50,
        ("grayscale", "yes"): 30,
    }


def test_quarters_are_named_in_words() -> None:
    table = manifest_rows(80, brightness=np.arange(80) / 100, width=np.arange(80) + 20, height=500)
    slices = evaluate_slices(right_answers(table), table).slices
    assert list(named(slices, "brightness")) == [
        "darkest quarter: 0.00 to 0.19",
        "second darkest quarter: 0.20 to 0.39",
        "second lightest quarter: 0.40 to 0.59",
        "lightest quarter: 0.60 to 0.79",
    ]
    assert next(iter(named(slices, "short side"))) == "smallest quarter: 20 to 39 pixels"
    assert {part.images for part in named(slices, "brightness").values()} == {20}


def test_equal_numbers_stay_together_and_are_no_quarters() -> None:
    width = [32] * 60 + list(range(100, 140))
    slices = evaluate_slices(np.ones(100, bool), manifest_rows(100, width=width, height=500)).slices
    sizes = {value: part.images for value, part in named(slices, "short side").items()}
    assert sizes == {"32 pixels": 60, "115 to 139 pixels": 25}  # 100 to 114 are too few
    few = evaluate_slices(np.ones(100, bool), manifest_rows(100, width=[32, 64] * 50, height=500)).slices
    assert list(named(few, "short side")) == ["32 pixels", "64 pixels"]


def test_columns_that_the_manifest_does_not_know_are_properties() -> None:
    columns = {
        "camera": ["a", "b", None, ""] * 25,
        "altitude": np.arange(100.0),
        "at_night": [True, False] * 50,
    }
    slices = evaluate_slices(np.ones(100, bool), manifest_rows(100, **columns)).slices
    assert {value: part.images for value, part in named(slices, "camera").items()} == {"a": 25, "b": 25}
    assert list(named(slices, "altitude"))[-1] == "highest quarter: 75 to 99"
    assert named(slices, "at night")["yes"].images == 50


def test_each_label_of_several_is_a_slice() -> None:
    table = manifest_rows(90, label=["cat|dog", "dog", ""] * 30)
    slices = evaluate_slices(np.arange(90) % 3 > 0, table).slices
    found = {value: (part.images, part.accuracy.value) for value, part in named(slices, "label").items()}
    assert found == {"no label": (30, 1.0), "cat": (30, 0.0), "dog": (60, 0.5)}


def test_same_images_under_two_names_are_one_of_the_worst() -> None:
    table = manifest_rows(1000, brightness=0.5, contrast=0.5, sharpness=9.0)
    is_scan = np.arange(1000) % 4 == 0
    table = table.assign(format=np.where(is_scan, "TIFF", "PNG"), mode=np.where(is_scan, "CMYK", "RGB"))
    worst = evaluate_slices(right_answers(table) & ~(is_scan & right_answers(table, 0.5, 5)), table).worst
    assert [part.conditions for part in worst] == [(("format", "TIFF"),)]


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="3 answers do not fit 4 rows"):
        evaluate_slices(np.ones(3, bool), manifest_rows(4))


def test_ten_thousand_images_take_half_a_second() -> None:
    table = manifest_rows(10_000, classes=81, camera=["a", "b", "c", "d"] * 2500)
    is_right = right_answers(table)
    evaluate_slices(is_right[:100], table[:100])  # the imports are not counted
    started = time.perf_counter()
    evaluate_slices(is_right, table)
    assert time.perf_counter() - started < 2  # 0.15 s measured; a busy machine may take longer

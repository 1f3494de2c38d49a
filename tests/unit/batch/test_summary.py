"""The summary of a finished folder, and its page."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.batch.conftest import Predict
from tests.unit.html_page import Page
from vision.batch.page import batch_page
from vision.batch.summary import BatchSummary


@pytest.fixture
def summary(photos: list[Path], predict: Predict, tmp_path: Path) -> BatchSummary:
    """Of seven images and two that are none."""
    (tmp_path / "photos" / "<b>.png").write_bytes(b"no image")
    (tmp_path / "photos" / "long.png").write_bytes(b"no image, and longer")
    return predict(tmp_path / "photos")


def test_summary_counts_the_rows(summary: BatchSummary, tmp_path: Path) -> None:
    rows = pd.read_parquet(tmp_path / "out")
    assert summary.classes == Counter(rows["class"].dropna())
    assert summary.abstained == (rows["abstain"] == True).sum()  # noqa: E712 - null where there is no answer
    assert summary.unusual == (rows["unusual"] == True).sum()  # noqa: E712
    bins = Counter(int(value * 20) for value in rows["confidence"].dropna())
    assert summary.confidence == tuple(bins[place] for place in range(20))


def test_one_fault_is_one_reason_however_long_the_files(summary: BatchSummary) -> None:
    ((reason, count),) = summary.reasons.items()
    assert count == summary.unreadable == 2
    assert "received N bytes" in reason
    assert sorted(Path(file.path).name for file in summary.examples) == ["<b>.png", "long.png"]


def test_summary_is_written_beside_a_page(summary: BatchSummary, tmp_path: Path) -> None:
    own = tmp_path / "out" / "_batch"
    written = json.loads((own / "summary.json").read_text())
    assert (written["images"], written["answered"], written["unreadable"]) == (9, 7, 2)
    assert (own / "summary.html").read_text() == "a page of 9 images"


def test_page_shows_answers_and_unreadable_files(summary: BatchSummary) -> None:
    html = batch_page(summary)
    page = Page(html)
    assert page.sections == ["answers", "unreadable"]
    assert len(page.images) == 2
    assert "&lt;b&gt;.png" in html
    assert not [address for address in page.addresses if not address.startswith("data:")]


def test_page_of_files_that_are_all_unreadable(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"no image")
    assert Page(batch_page(predict(tmp_path / "photos"))).sections == ["unreadable"]

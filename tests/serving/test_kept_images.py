"""Kept images: none unless asked for, a share of them, for their days, in bounded space."""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.predictions import new_prediction_id
from registry.workspace import Workspace
from serving.observers import kept_images
from serving.observers.kept_images import KeptImages, is_kept, kept_images_folder
from serving.observers.metrics import Metrics
from serving.settings import Settings
from tests.serving.made_answers import make_answer, make_served


@pytest.fixture
def counted() -> Counter[str]:
    return Counter()


@pytest.fixture
def make_images(tmp_path, counted):
    def make(share: float = 1, days: float = 30, megabytes: float = 1) -> KeptImages:
        def count(event: str, amount: float) -> None:
            counted[event] += int(amount)

        return KeptImages(tmp_path / "kept", share=share, days=days, megabytes=megabytes, count=count)

    return make


def keep(images: KeptImages, *pairs) -> None:
    images.start()
    for answer, data in pairs:
        images.classified(answer, data)
    images.close()


def kept(tmp_path: Path) -> dict[str, bytes]:
    """What is whole: a file that is being written begins with a dot."""
    paths = (path for path in tmp_path.rglob("[!.]*") if path.is_file())
    return {path.name: path.read_bytes() for path in paths}


def test_an_image_is_kept_as_it_was_sent_under_its_id(make_images, tmp_path) -> None:
    answer = make_answer()
    keep(make_images(), (answer, b"\x00image"))

    assert kept(tmp_path) == {answer.id: b"\x00image"}
    days = {path.name for path in (tmp_path / "kept").iterdir()}
    assert f"date={datetime.now(UTC).date()}" in days


def test_a_share_of_the_images_is_kept_and_can_be_told_from_the_id(make_images, tmp_path) -> None:
    answers = [make_answer() for _ in range(100)]
    keep(make_images(share=0.5), *((answer, b"image") for answer in answers))

    assert set(kept(tmp_path)) == {answer.id for answer in answers if is_kept(answer.id, 0.5)}


def test_the_share_is_kept_within_chance() -> None:
    ids = [new_prediction_id() for _ in range(10_000)]
    share = sum(is_kept(one, 0.3) for one in ids) / len(ids)

    assert abs(share - 0.3) < 5 * (0.3 * 0.7 / len(ids)) ** 0.5
    assert (any(is_kept(one, 0) for one in ids), all(is_kept(one, 1) for one in ids)) == (False, True)
    assert all(is_kept(one, 0.6) for one in ids if is_kept(one, 0.3))


def test_a_shadow_keeps_no_image_of_its_own(make_images, tmp_path) -> None:
    keep(make_images(), (make_answer(make_served(arm="shadow")), b"image"))

    assert not kept(tmp_path)


def test_images_are_deleted_after_their_days(make_images, tmp_path) -> None:
    old, young = make_answer(), make_answer()
    keep(make_images(), (old, b"old"), (young, b"young"))
    [path] = tmp_path.rglob(old.id)
    three_days_ago = time.time() - 3 * 24 * 3600
    os.utime(path, (three_days_ago, three_days_ago))

    keep(make_images(days=4))
    assert len(kept(tmp_path)) == 2
    keep(make_images(days=2))
    assert list(kept(tmp_path)) == [young.id]


def test_the_folder_stays_within_its_megabytes(make_images, tmp_path) -> None:
    keep(make_images(megabytes=0.1), *((make_answer(), bytes(30_000)) for _ in range(10)))

    assert len(kept(tmp_path)) == 3


def test_images_that_would_fill_the_memory_are_not_kept(make_images, tmp_path, counted, monkeypatch) -> None:
    monkeypatch.setattr(kept_images, "WAITING_BYTES", 100)
    images = make_images()
    for size in (60, 60, 40):  # the second does not fit
        images.classified(make_answer(), bytes(size))
    images.start()
    images.close()

    assert sorted(map(len, kept(tmp_path).values())) == [40, 60]
    assert counted == {"image_dropped": 1}


def test_a_disk_that_refuses_is_logged_once_and_counted(make_images, tmp_path, counted, caplog) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    keep(make_images(), (make_answer(), b"image"), (make_answer(), b"image"))

    assert counted == {"image_dropped": 2}
    assert len(caplog.records) == 1


def test_memory_is_given_back_after_every_image(make_images, tmp_path, counted, monkeypatch) -> None:
    monkeypatch.setattr(kept_images, "WAITING_BYTES", 100)
    images = make_images()
    images.start()
    for number in range(3):
        images.classified(make_answer(), bytes(80))
        until = time.monotonic() + 10
        while len(kept(tmp_path)) <= number:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.02)
    images.close()

    assert not counted


def test_no_image_is_kept_unless_asked_but_old_ones_still_end(tmp_path) -> None:
    home = Workspace(tmp_path)

    assert KeptImages.from_settings(Settings(), home, Metrics()) is None
    assert KeptImages.from_settings(Settings(keep_images=0.1), home, Metrics()) is not None
    kept_images_folder(home).mkdir()
    assert KeptImages.from_settings(Settings(), home, Metrics()) is not None

"""Reviews: the last word on an image counts, nothing is half written, one key cannot give most labels."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from registry import reviews
from registry.reviews import (
    Review,
    accepted,
    count_since,
    image_path,
    read_reviews,
    record_review,
    reviews_folder,
    within_key_share,
)
from registry.workspace import Workspace
from tests.registry.log_rows import make_id
from vision.errors import DataError, RegistryError

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def make_review(name: str = "a", **changes: object) -> Review:
    fields = {
        "sha256": sha256(name.encode()).hexdigest(),
        "prediction": make_id(1),
        "verdict": "accepted",
        "labels": ("rose",),
        "who": "ann@desk",
        "when": NOON,
    }
    return Review.model_validate(fields | changes)


def of_key(key: str, count: int) -> list[Review]:
    return [make_review(f"{key}{k}", source="feedback", key=key) for k in range(count)]


def add(home: Workspace, tmp_path: Path, name: str = "a", **changes: object) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(name.encode())
    record_review(home, "flowers", make_review(name, **changes), kept)


def test_an_accepted_review_comes_back_with_a_copy_of_its_image(home, tmp_path) -> None:
    add(home, tmp_path, "a", labels=("rose", "Käse"), source="feedback", key="shop")

    [review] = accepted(home, "flowers")

    assert review == make_review("a", labels=("rose", "Käse"), source="feedback", key="shop")
    assert image_path(home, "flowers", review.sha256).read_bytes() == b"a"
    assert accepted(home, "digits") == ()


def test_the_last_word_on_an_image_counts(home, tmp_path) -> None:
    for labels in ("rose", "tulip"):
        add(home, tmp_path, labels=(labels,))
    add(home, tmp_path, "b")
    add(home, tmp_path, "b", verdict="withdrawn", labels=())
    add(home, tmp_path, "c")
    add(home, tmp_path, "c", verdict="unusable", labels=())

    assert [review.labels for review in accepted(home, "flowers")] == [("tulip",)]
    assert [review.verdict for review in read_reviews(home, "flowers").values()] == [
        "accepted",
        "withdrawn",
        "unusable",
    ]
    assert len((reviews_folder(home, "flowers") / "reviews.jsonl").read_text().splitlines()) == 6


def test_reviews_after_a_moment_are_counted(home, tmp_path) -> None:
    for hours, name in enumerate("abc"):
        add(home, tmp_path, name, when=NOON + timedelta(hours=hours))
    add(home, tmp_path, "c", verdict="withdrawn", labels=(), when=NOON + timedelta(hours=3))

    in_paris = datetime.fromisoformat("2026-11-05T13:00:00+01:00")  # noon in UTC
    assert count_since(home, "flowers", in_paris - timedelta(seconds=1)) == 2
    assert count_since(home, "flowers", in_paris) == 1
    assert count_since(home, "flowers", NOON + timedelta(hours=9)) == 0


@pytest.mark.parametrize("content", [None, b"another image"])
def test_an_image_that_is_gone_or_another_leaves_no_review(home, tmp_path, content) -> None:
    kept = tmp_path / "kept"
    if content is not None:
        kept.write_bytes(content)

    with pytest.raises(DataError, match=make_id(1)):
        record_review(home, "flowers", make_review(), kept)

    assert read_reviews(home, "flowers") == {}


def test_an_image_that_the_service_has_deleted_since_is_labelled_anew(home, tmp_path) -> None:
    add(home, tmp_path)
    add(home, tmp_path, verdict="withdrawn", labels=())

    record_review(home, "flowers", make_review(labels=("tulip",)), tmp_path / "gone")

    assert [review.labels for review in accepted(home, "flowers")] == [("tulip",)]


@pytest.mark.parametrize("torn", [b'{"sha256": "ab', b'{"sha256": "ab\n'[:-1] * 2])
def test_half_a_line_of_a_killed_process_is_no_review_and_gives_way(home, tmp_path, torn) -> None:
    add(home, tmp_path, "a")
    with (reviews_folder(home, "flowers") / "reviews.jsonl").open("ab") as file:
        file.write(torn)

    assert len(accepted(home, "flowers")) == 1
    add(home, tmp_path, "b")
    assert len(accepted(home, "flowers")) == 2


def test_a_first_line_that_was_torn_gives_way(home, tmp_path) -> None:
    reviews_folder(home, "flowers").mkdir(parents=True)
    (reviews_folder(home, "flowers") / "reviews.jsonl").write_bytes(b'{"sha')

    add(home, tmp_path)

    assert len(accepted(home, "flowers")) == 1


def test_a_full_disk_leaves_no_half_line(home, tmp_path, monkeypatch) -> None:
    add(home, tmp_path, "a")
    before = (reviews_folder(home, "flowers") / "reviews.jsonl").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reviews.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        add(home, tmp_path, "b")

    assert (reviews_folder(home, "flowers") / "reviews.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "line",
    ["", "no JSON", "{}", make_review().model_dump_json().replace("accepted", "agreed")],
)
def test_a_line_edited_by_hand_is_named(home, tmp_path, line) -> None:
    add(home, tmp_path, "a")
    with (reviews_folder(home, "flowers") / "reviews.jsonl").open("a") as file:
        file.write(line + "\n")

    with pytest.raises(RegistryError, match=r"reviews\.jsonl, line 2 is no review"):
        accepted(home, "flowers")


def test_reviewers_who_write_at_once_lose_nothing(home, tmp_path) -> None:
    children = []
    for child in range(4):
        process = os.fork()
        if process == 0:
            for number in range(5):
                kept = tmp_path / f"{child}-{number}"
                kept.write_text(kept.name)
                record_review(home, "flowers", make_review(kept.name), kept)
            os._exit(0)
        children.append(process)
    assert [os.waitpid(process, 0)[1] for process in children] == [0, 0, 0, 0]

    assert len(accepted(home, "flowers")) == 20


@pytest.mark.parametrize(
    ("own", "keys", "max_share", "left"),
    [
        (10, {"shop": 90}, 0.5, {"shop": 10}),  # 10 of 20
        (0, {"shop": 90, "site": 10}, 0.5, {"shop": 10, "site": 10}),
        (3, {"shop": 7}, 0.7, {"shop": 7}),
        (0, {"shop": 90}, 0.5, {}),
        (0, {"": 90}, 1, {"": 90}),
        (6, {"a": 9, "b": 9, "c": 1}, 0.3, {"a": 5, "b": 5, "c": 1}),  # 5 of 17; 6 of 19 would be more
        (5, {}, 0.5, {}),
    ],
)
def test_no_key_gives_more_than_its_share(own, keys, max_share, left) -> None:
    given = [make_review(str(k)) for k in range(own)]
    given += [review for key, count in keys.items() for review in of_key(key, count)]

    kept = within_key_share(given, max_share)

    assert sum(review.source == "review" for review in kept) == own
    expected = [review for key, count in left.items() for review in of_key(key, keys[key])[:count]]
    assert [review for review in kept if review.source == "feedback"] == expected


def test_what_a_flood_loses_is_said(caplog) -> None:
    within_key_share([make_review(), *of_key("shop", 5)], 0.5)

    assert "4 of 6 accepted labels are left out" in caplog.text
    assert '4 of key "shop"; set config.review.max_key_share' in caplog.text

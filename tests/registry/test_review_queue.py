"""What waits for a person, in which order, and what does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import numpy as np
import pytest

from registry.pointer import ChampionPointer
from registry.prediction_files import kept_images_folder
from registry.prediction_rows import Prediction
from registry.review_queue import read_queue
from registry.reviews import Review, record_review
from registry.workspace import Workspace
from tests.registry.log_rows import CLASS_NAMES, NOON, make_answered, make_feedback, make_prediction, write


@pytest.fixture
def home(tmp_path) -> Workspace:
    return Workspace(tmp_path)


def keep(home: Workspace, *rows: Prediction) -> None:
    folder = kept_images_folder(home) / "date=2026-11-05"
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        (folder / row.id).write_bytes(row.id.encode())


def sure(number: int, confidence: float = 0.9, **changes: object) -> Prediction:
    """An answer that nobody doubts, of an image of its own."""
    rest = (1 - confidence) / 2
    fields = {
        "abstain": False,
        "sha256": sha256(str(number).encode()).hexdigest(),
        "probabilities": np.array([rest, confidence, rest], np.float32),
    }
    return make_prediction(NOON + number, number, **fields | changes)


def test_what_waits_is_in_the_order_of_what_it_teaches(home) -> None:
    least, surest, wrong = sure(0, 0.4), sure(1, 0.99), sure(2, 0.95)
    unusual, both = sure(3, 0.9, unusual=True), sure(4, 0.8, unusual=True, abstain=True)
    abstained, right = sure(5, 0.5, abstain=True), sure(6, 0.45)
    rows = [surest, least, wrong, unusual, both, abstained, right]
    said = [make_feedback(NOON, ["Milch"], of=wrong), make_feedback(NOON, ["Käse"], of=right)]
    write(home, *rows, *said)
    keep(home, *rows)

    waiting = read_queue(home, "grocery")

    expected = [abstained, both, unusual, wrong, least, right, surest]
    assert [found.id for found in waiting] == [row.id for row in expected]
    reasons = ["abstained", "abstained", "unusual", "wrong", *["least_sure"] * 3]
    assert [found.reason for found in waiting] == reasons


def test_an_answer_is_told_whole(home) -> None:
    row = make_prediction()
    said = replace(make_feedback(NOON, ["ミルク"], of=row, comment="von Hand"), key="shop")
    write(home, row, said)
    keep(home, row)

    [found] = read_queue(home, "grocery")

    assert found.image.read_bytes() == row.id.encode()
    assert (found.when, found.version, found.task) == (
        datetime(2026, 11, 5, 12, tzinfo=UTC),
        3,
        "multi_class",
    )
    assert (found.class_names, found.predicted) == (CLASS_NAMES, ("Käse",))
    assert (found.feedback, found.comment, found.key) == (("ミルク",), "von Hand", "shop")
    assert [name for name, _ in found.likeliest(2)] == ["Käse", "ミルク"]


def test_the_class_that_feedback_names_is_among_the_likeliest(home) -> None:
    row = make_prediction()
    write(home, row, make_feedback(NOON, ["Milch"], of=row))
    keep(home, row)

    [found] = read_queue(home, "grocery")

    assert [name for name, _ in found.likeliest(2)] == ["Käse", "Milch"]
    assert [name for name, _ in found.likeliest(3)] == ["Käse", "ミルク", "Milch"]


def test_of_several_labels_the_one_nearest_to_even_says_how_sure(home) -> None:
    labels = make_answered(task="multi_label", names=("Käse",))
    even = sure(1, answered=labels, probabilities=np.array([0.01, 0.99, 0.45], np.float32))
    clear = sure(2, answered=labels, probabilities=np.array([0.1, 0.8, 0.1], np.float32))
    write(home, even, clear)
    keep(home, even, clear)

    assert [found.id for found in read_queue(home, "grocery")] == [even.id, clear.id]


def test_without_an_image_or_in_the_shadow_nothing_waits(home) -> None:
    gone, kept = sure(1), sure(2, answered=make_answered(arm="shadow"))
    other = sure(3, answered=make_answered(pointer=ChampionPointer("digits", 1, "e" * 64)))
    write(home, gone, kept, other)
    keep(home, kept, other)
    (kept_images_folder(home) / "date=2026-11-05" / ".half-written").write_bytes(b"")

    assert read_queue(home, "grocery") == []
    assert read_queue(Workspace(home.root / "empty"), "grocery") == []


@pytest.mark.parametrize(("verdict", "waits"), [("accepted", 0), ("unusable", 0), ("withdrawn", 1)])
def test_what_was_reviewed_waits_no_more_until_it_is_withdrawn(home, verdict, waits) -> None:
    row = sure(1, sha256=sha256(sure(1).id.encode()).hexdigest())
    write(home, row)
    keep(home, row)
    [found] = read_queue(home, "grocery")
    fields = {"sha256": row.sha256, "prediction": row.id, "who": "ann", "when": found.when}
    for said in ("accepted", verdict):
        record_review(home, "grocery", Review(verdict=said, **fields), found.image)

    assert len(read_queue(home, "grocery")) == waits


def test_an_image_that_was_sent_twice_waits_once_for_the_better_reason(home) -> None:
    first, second = sure(1, 0.4, sha256="b" * 64), sure(2, 0.9, sha256="b" * 64, abstain=True)
    write(home, first, second)
    keep(home, first, second)

    [found] = read_queue(home, "grocery")

    assert (found.id, found.reason) == (second.id, "abstained")

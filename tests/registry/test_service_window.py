"""A time of service as monitoring sees it: whose answers count, how often, and which kept images."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from registry import service_window
from registry.pointer import ChampionPointer
from registry.prediction_files import drawn, kept_images_folder
from registry.prediction_rows import Answered, Prediction
from registry.service_window import SeenService, ServiceWindow, look_at, open_window, read_answers
from registry.workspace import Workspace
from tests.registry import fake_classifier as fake
from tests.registry.log_rows import NOON, make_feedback, make_id, make_prediction, write
from vision.uncertainty.rules import SetRule, Uncertainty

MODEL = "colours"
UNTIL = datetime.fromtimestamp(NOON / 1000, UTC) + timedelta(hours=1)
WINDOW = ServiceWindow(model=MODEL, version=2, digest="d2", since=UNTIL - timedelta(days=1), until=UNTIL)
NAMES = ("red", "green", "blue")


@pytest.fixture
def home(tmp_path: Any) -> Workspace:
    return Workspace(tmp_path)


def answer(number: int, *, digest: str = "d2", names: tuple[str, ...] = NAMES, **changes: Any) -> Prediction:
    """One that was sure of green; each of another image."""
    arm = changes.pop("arm", "champion")
    answered = Answered(ChampionPointer(MODEL, 2, digest), arm, "multi_class", names, (names[1],))
    probabilities = np.eye(len(names), dtype=np.float32)[1]
    defaults = {"sha256": f"{number:064x}", "abstain": False, "prediction_set": ("green",)}
    row = make_prediction(NOON + number, number, answered=answered, probabilities=probabilities)
    return replace(row, **{**defaults, **changes})


def keep(workspace: Workspace, row: Prediction, data: bytes | None = None) -> None:
    if data is None:
        buffer = io.BytesIO()
        Image.new("RGB", (10, 12), (10, 250, 10)).save(buffer, "PNG")
        data = buffer.getvalue()
    path = kept_images_folder(workspace) / "date=2026-11-05" / row.id
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def look(workspace: Workspace, *, most_images: int = 50, rule: SetRule | None = None) -> SeenService:
    classifier = fake.make_classifier().with_uncertainty(Uncertainty(sets=rule))
    return look_at(workspace, classifier, read_answers(workspace, WINDOW), most_images=most_images)


def test_only_answers_of_the_version_in_the_time_count(home: Workspace) -> None:
    ours = answer(1)
    other_classes = answer(2, digest="d1", names=("cat", "dog"))
    late, early = (replace(answer(3), time=NOON + shift) for shift in (3_600_000, -86_400_000))
    write(home, ours, other_classes, answer(4, arm="shadow"), late, early)

    answers = read_answers(home, WINDOW)

    assert answers["id"].tolist() == [ours.id] and answers["task"].tolist() == ["multi_class"]


def test_an_empty_log_is_a_profile_of_nothing(home: Workspace) -> None:
    seen = look(home)

    assert seen.profile.probabilities.shape == (0, 3) and seen.images.shape == (0, 8, 8, 3)
    assert seen.profile.answers == seen.profile.images == seen.unreadable == 0


def test_an_image_counts_once_with_what_was_said_of_it(home: Workspace) -> None:
    first, again = answer(1), answer(2, sha256=f"{1:064x}")
    write(home, first, again, answer(3), make_feedback(NOON + 9, ["red"], of=first))

    profile = look(home).profile

    assert profile.answers == 2 and profile.right.tolist() == [False]
    assert profile.covered.shape == (0,)  # this classifier promises no sets


def test_a_set_covers_what_it_holds(home: Workspace) -> None:
    rows = [answer(number, prediction_set=("green", "blue")) for number in range(3)]
    truths = (["blue"], ["green"], ["red"])
    write(
        home,
        *rows,
        *(make_feedback(NOON + 9, truth, of=row) for row, truth in zip(rows, truths, strict=True)),
    )

    profile = look(home, rule=SetRule(method="lac", coverage=0.9, limits=(0.5,))).profile

    assert profile.covered.tolist() == [True, True, False] and profile.right.tolist() == [False, True, False]


def test_a_class_that_the_model_does_not_know_is_not_covered(home: Workspace) -> None:
    row = answer(1)
    write(home, row, make_feedback(NOON + 9, ["purple"], of=row))

    profile = look(home, rule=SetRule(method="lac", coverage=0.9, limits=(0.5,))).profile

    assert (profile.right.tolist(), profile.covered.tolist()) == ([False], [False])


def test_kept_images_are_seen_the_newest_first_and_the_undecodable_counted(home: Workspace) -> None:
    rows = [answer(number) for number in range(4)]
    write(home, *rows)
    keep(home, rows[0])
    keep(home, rows[1])
    keep(home, rows[2], b"no image")
    keep(home, answer(9, digest="d1"))  # of another version

    seen = look(home, most_images=2)

    assert (seen.profile.answers, seen.profile.images, seen.unreadable) == (4, 1, 1)
    assert seen.images.shape == (1, 8, 8, 3) and seen.profile.properties["width"].tolist() == [10.0]


def test_doubtful_images_beyond_the_share_are_no_sample(home: Workspace) -> None:
    """Ids 0..19, by where they are drawn: the share is that of the sure ones, whatever doubt has added."""
    order = sorted(range(20), key=lambda number: drawn(make_id(NOON + number, number)))
    below, above = order[:10], order[10:]
    # Below the share every second one is doubtful; above it all that were kept are.
    doubtful = {*below[1::2][:-1], *above}
    rows = [answer(number, abstain=number in doubtful) for number in range(20)]
    write(home, *rows)
    for row in rows:
        keep(home, row)

    paths = service_window.kept_paths(home, read_answers(home, WINDOW))

    assert {path.name for path in paths.values()} == {rows[number].id for number in below}


def test_without_a_share_the_doubtful_are_not_looked_at(home: Workspace) -> None:
    rows = [answer(number, unusual=True) for number in range(3)]
    write(home, *rows, answer(3))
    for row in rows:
        keep(home, row)

    assert look(home).profile.images == 0


def test_where_every_answer_is_doubtful_all_that_is_kept_is_a_sample(home: Workspace) -> None:
    rows = [answer(number, abstain=True) for number in range(3)]
    write(home, *rows)
    for row in rows:
        keep(home, row)

    assert look(home).profile.images == 3


def test_an_image_that_the_service_deletes_meanwhile_is_passed_over(
    home: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    write(home, answer(1))
    gone = {f"{1:064x}": tmp_path / "gone"}
    monkeypatch.setattr(service_window, "kept_paths", lambda *_: gone)

    assert look(home).unreadable == 1


def test_a_busy_time_is_thinned_evenly(home: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_window, "MOST_ANSWERS", 3)
    write(home, *(answer(number, energy=float(number)) for number in range(9)))

    assert look(home).profile.energy.tolist() == [0.0, 4.0, 8.0]


def test_without_a_champion_a_window_is_of_nobody(workspace: Workspace) -> None:
    window = open_window(workspace, MODEL, days=2, until=UNTIL)

    assert (window.version, window.digest, window.since) == (None, "", UNTIL - timedelta(days=2))
    assert isinstance(read_answers(workspace, window), pd.DataFrame)

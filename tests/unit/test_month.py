"""The simulated month of benchmarks/: what arrives each day, when somebody acts, and what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.month_days import days_to_detection, false_alarms, live, mean_accuracy
from benchmarks.month_picture import write_picture
from benchmarks.month_stream import (
    DRIFTS,
    GROWING_CLASS,
    NEW_CLASS,
    REVIEWS,
    Stream,
    draw_corrupted,
    draw_known,
    draw_moved_prior,
    draw_new_class,
)
from vision.operation_config import RetrainConfig
from vision.prepared import LabelledImages

CLASSES, EACH = 10, 100


@pytest.fixture
def pool() -> LabelledImages:
    """Every image has a shade of its own, and its label is not in it."""
    labels = np.arange(CLASSES * EACH) % CLASSES
    shades = np.random.default_rng(1).integers(0, 256, (len(labels), 1, 1, 3), np.uint8)
    shades[:, 0, 0, 0], shades[:, 0, 0, 1] = np.arange(len(labels)) % 256, np.arange(len(labels)) // 256
    return LabelledImages(np.broadcast_to(shades, (len(labels), 4, 4, 3)).copy(), labels)


def stream_of(pool: LabelledImages, draw=draw_new_class, onset: int | None = 3) -> Stream:
    return Stream(pool, pool, draw, images_a_day=50, onset=onset, ramp_days=4, seed=1)


class Scripted:
    """Finds drift on the days of a script; each retraining makes a version that is always right."""

    def __init__(self, alarms: Sequence[int] = (), decision: str = "promote") -> None:
        self.version, self.alarms, self.decision = 1, alarms, decision
        self.reviewed: list[LabelledImages] = []
        self.today: LabelledImages | None = None

    def answer(self, images: np.ndarray) -> np.ndarray:
        return np.zeros(len(images), np.intp) if self.version == 1 else np.full(len(images), NEW_CLASS)

    def look(self, images: np.ndarray, *, day: int) -> tuple[str, ...]:
        return ("the images are others",) if day in self.alarms else ()

    def retrain(self, reviewed: LabelledImages) -> str:
        self.reviewed.append(reviewed)
        self.version += self.decision == "promote"
        return self.decision


def distinct(images: np.ndarray) -> int:
    return len(np.unique(images.reshape(len(images), -1), axis=0))


def test_strength_rises_day_by_day(pool: LabelledImages) -> None:
    stream = stream_of(pool)
    assert [stream.strength(day) for day in range(8)] == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1]
    assert stream_of(pool, onset=None).strength(100) == 0


@pytest.mark.parametrize("draw", DRIFTS.values(), ids=DRIFTS)
def test_day_is_the_same_whenever_it_is_asked_for(pool: LabelledImages, draw) -> None:
    stream = stream_of(pool, draw)
    first = stream.arrive(5)
    stream.arrive(4)
    np.testing.assert_array_equal(stream.arrive(5).images, first.images)
    assert not np.array_equal(stream.arrive(4).images, first.images)


@pytest.mark.parametrize("draw", [draw_known, *DRIFTS.values()])
def test_without_drift_a_day_has_known_classes_and_no_image_twice(pool: LabelledImages, draw) -> None:
    day = draw(pool, 0.0, 200, np.random.default_rng(1))
    assert len(day.labels) == distinct(day.images) == 200
    assert NEW_CLASS not in day.labels


def test_new_class_takes_its_share(pool: LabelledImages) -> None:
    day = draw_new_class(pool, 0.5, 100, np.random.default_rng(1))
    assert (day.labels == NEW_CLASS).sum() == 10  # half of a fifth
    assert distinct(day.images) == 100


def test_prior_moves_to_the_growing_class() -> None:
    labels = np.repeat(np.arange(CLASSES), 1000)
    pool = LabelledImages(np.zeros((len(labels), 1, 1, 3), np.uint8), labels)
    day = draw_moved_prior(pool, 1.0, 1400, np.random.default_rng(1))
    # 6 of 6 + 8 others; less the few that are no longer there to be drawn again.
    share = (day.labels == GROWING_CLASS).mean()
    assert 0.33 < share < 6 / 14


def test_corruption_hits_the_share(pool: LabelledImages) -> None:
    grey = LabelledImages(np.full((400, 8, 8, 3), 128, np.uint8), np.zeros(400, np.int64))
    day = draw_corrupted(grey, 0.25, 400, np.random.default_rng(1))
    hit = (day.images != 128).any(axis=(1, 2, 3)).sum()
    assert 70 < hit < 130  # binomial: 100, deviation 8.7


def test_drift_starts_retrainings_no_more_often_than_allowed(pool: LabelledImages) -> None:
    system = Scripted(alarms=range(4, 12))
    config = RetrainConfig(min_hours=72)
    days = list(live(system, Scripted(), stream_of(pool), days=12, config=config))
    assert [day.day for day in days if day.decision] == [4, 7, 10]
    assert [day.version for day in days] == [1] * 5 + [2] * 3 + [3] * 3 + [4]


def test_no_image_is_reviewed_twice(pool: LabelledImages) -> None:
    system = Scripted(alarms=range(12))
    list(live(system, Scripted(), stream_of(pool), days=REVIEWS, config=RetrainConfig(min_hours=24)))
    assert [len(review.labels) for review in system.reviewed] == [50] * REVIEWS
    assert distinct(np.concatenate([review.images for review in system.reviewed])) == 50 * REVIEWS
    assert [(review.labels == NEW_CLASS).sum() for review in system.reviewed] == [0, 0, 0, 2, 5, 8]


def test_accuracy_is_of_the_champion_of_the_morning_and_of_the_first(pool: LabelledImages) -> None:
    stream = stream_of(pool)
    days = list(live(Scripted(alarms=[6]), Scripted(), stream, days=8, config=RetrainConfig()))
    labels = [stream.arrive(day).labels for day in (6, 7)]
    assert days[6].accuracy == days[6].without == (labels[0] == 0).mean()
    assert (days[7].accuracy, days[7].without) == ((labels[1] == NEW_CLASS).mean(), (labels[1] == 0).mean())
    assert mean_accuracy(days) == days[7].accuracy
    assert mean_accuracy(days, without=True) == days[7].without


def test_alarms_are_told_from_detections(pool: LabelledImages) -> None:
    system = Scripted(alarms=[1, 5, 6], decision="reject")
    days = list(live(system, Scripted(), stream_of(pool), days=8, config=RetrainConfig()))
    assert (false_alarms(days), days_to_detection(days)) == (1, 3)  # days 3, 4, 5 are its first three
    assert {day.version for day in days} == {1}


def test_drift_that_nobody_finds_is_never_detected(pool: LabelledImages) -> None:
    days = list(live(Scripted(), Scripted(), stream_of(pool), days=5, config=RetrainConfig()))
    assert (false_alarms(days), days_to_detection(days)) == (0, None)
    assert np.isnan(mean_accuracy(days))


def test_picture_is_drawn(pool: LabelledImages, tmp_path: Path) -> None:
    days = list(live(Scripted(alarms=[4]), Scripted(), stream_of(pool), days=8, config=RetrainConfig()))
    write_picture({"one": days, "another": days}, tmp_path / "month.png")
    assert (tmp_path / "month.png").read_bytes().startswith(b"\x89PNG")

"""Answers as the engine gives them, without an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from registry.pointer import ChampionPointer
from registry.predictions import new_prediction_id
from serving.classified import Classified
from serving.versions.champion import Arm, Served
from vision.classifier import ImageClassifier
from vision.task import Task
from vision.uncertainty.rules import Judgement

CLASS_NAMES = ("Milch", "Käse", "ミルク")


@dataclass(frozen=True)
class Named:
    """As much of an ImageClassifier as the log looks at."""

    task: Task = "multi_class"
    class_names: tuple[str, ...] = CLASS_NAMES


def make_served(*, task: Task = "multi_class", arm: Arm = "champion", **pointer: Any) -> Served:
    return Served(
        ChampionPointer(**{"model": "grocery", "version": 3, "digest": "d" * 64} | pointer),
        cast(ImageClassifier, Named(task)),
        arm,
    )


def make_answer(served: Served | None = None, names: Sequence[str] = ("Käse",)) -> Classified:
    """Probabilities are 0.1, 0.7, 0.2; the prediction set has the last two."""
    judgement = Judgement(
        probabilities=np.array([[0.1, 0.7, 0.2]], np.float32),
        sets=np.array([[False, True, True]]),
        abstains=np.array([True]),
        energy=np.array([-3.5]),
        unusual=np.array([False]),
    )
    return Classified(
        id=new_prediction_id(),
        served=served or make_served(),
        sha256="a" * 64,
        judgement=judgement,
        names=list(names),
        seconds={"decode": 0.25, "infer": 0.5},
        cached=False,
    )

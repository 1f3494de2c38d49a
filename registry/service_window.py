"""A time of service: what the champion answered in it, and the images of it that were kept.

Nothing is copied out of the log or the kept images, which forget after their days; whoever looks reads anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict

from registry.champion import find_champion
from registry.prediction_files import drawn, kept_images_folder
from registry.predictions import read_predictions
from registry.workspace import Workspace
from vision.classifier import ImageClassifier
from vision.drift.embedding import embed
from vision.drift.profile import Profile
from vision.drift.properties import see_images
from vision.image_array import Pixels

# Of a busier time so many answers, evenly spread: differences that more would show matter to nobody.
MOST_ANSWERS = 20_000


class ServiceWindow(BaseModel):
    """Whose answers of which time a look is at, whatever is promoted meanwhile.

    `version` is None, and `digest` empty, where nothing was promoted yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: int | None = None
    digest: str = ""
    since: AwareDatetime
    until: AwareDatetime


@dataclass(frozen=True)
class SeenService:
    """What a window holds. `unreadable` kept images could not be decoded."""

    profile: Profile
    images: Pixels  # (M, H, W, 3), those of the profile, as the model sees them
    unreadable: int


def open_window(workspace: Workspace, model: str, *, days: float, until: datetime) -> ServiceWindow:
    """The last `days` of the present champion."""
    champion, since = find_champion(workspace, model), until - timedelta(days=days)
    if champion is None:
        return ServiceWindow(model=model, since=since, until=until)
    return ServiceWindow(
        model=model, version=champion.version, digest=champion.digest, since=since, until=until
    )


def read_answers(workspace: Workspace, window: ServiceWindow) -> pd.DataFrame:
    """Rows of registry.predictions.read_predictions that the window's version gave, oldest first, and `task`.

    Other versions of that time, whose classes may be others, are left out, and so are answers in the shadow.
    """
    table = read_predictions(workspace, window.model, since=window.since, until=window.until)
    tasks = json.loads(table.schema.metadata[b"tasks"])
    rows: pd.DataFrame = table.to_pandas()
    told = (rows["digest"] == window.digest) & (rows["arm"] != "shadow")
    return rows[told].assign(task=tasks.get(window.digest))


def look_at(
    workspace: Workspace, classifier: ImageClassifier, answers: pd.DataFrame, *, most_images: int
) -> SeenService:
    """The profile of the classifier's answers, an image counted once, and of its newest kept images."""
    # What was said of an image counts, whichever of its answers it was said of.
    once = answers.assign(judged=answers["truth"].notna()).sort_values(["judged", "time"], kind="stable")
    once = once.drop_duplicates("sha256", keep="last").sort_values("time", kind="stable")
    judged, shown = once[once["judged"]], once.iloc[_spread(len(once), MOST_ANSWERS)]
    paths = list(kept_paths(workspace, answers).values())[-most_images:]
    seen = see_images(_bytes_of(paths), classifier.preprocessing)
    profile = Profile(
        probabilities=_probabilities(shown, len(classifier.class_names)),
        energy=shown["energy"].to_numpy(np.float64),
        right=judged["right"].to_numpy(np.bool_),
        covered=_covered(classifier, judged),
        properties=seen.properties,
        embeddings=embed(classifier, seen.pixels),
    )
    return SeenService(profile, seen.pixels, unreadable=len(paths) - len(seen.pixels))


def kept_paths(workspace: Workspace, answers: pd.DataFrame) -> dict[str, Path]:
    """sha256 -> the kept image's file, of a fair share of the answers, oldest first.

    The service may keep doubtful images beyond its share; with them every look would find drift. What share
    it keeps is told by the others: an id decides by where it is drawn. Where every answer is doubtful none is
    kept for that alone.
    """
    there = {path.name: path for path in kept_images_folder(workspace).glob("date=*/*")}
    kept = answers[answers["id"].isin(list(there))]
    draws = kept["id"].map(drawn)
    certain = ~(answers["abstain"] | answers["unusual"])
    share = draws[certain[kept.index]].max() if certain.any() else 1.0  # not a number where none was kept
    fair = kept[draws <= share]
    return {sha256: there[name] for sha256, name in zip(fair["sha256"], fair["id"], strict=True)}


def _bytes_of(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        try:
            yield path.read_bytes()
        except OSError:  # the service has deleted it meanwhile: its days are over
            yield b""


def _probabilities(answers: pd.DataFrame, classes: int) -> NDArray[np.float32]:
    """(N, K), also of no answers."""
    return np.array(answers["probabilities"].to_list(), np.float32).reshape(-1, classes)


def _covered(classifier: ImageClassifier, judged: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether the prediction set held the truth, where sets promise that."""
    if classifier.uncertainty is None or classifier.uncertainty.sets is None:
        return np.zeros(0, np.bool_)
    pairs: Any = zip(judged["truth"], judged["prediction_set"], strict=True)
    return np.array([set(truth) <= set(held) for truth, held in pairs], np.bool_)


def _spread(rows: int, most: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.intp))

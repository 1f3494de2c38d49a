"""The answers that are worth a person's look: their image was kept, and nobody has said yet what it shows.

In the order of what there is to learn from them: the model abstained, the image is unlike those of training,
a user says the answer is wrong, and then the answers it was least sure of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from registry.prediction_files import kept_images_folder
from registry.predictions import TOLERANCE, read_predictions
from registry.reviews import read_reviews
from registry.workspace import Workspace
from vision.task import Task

Reason = Literal["abstained", "unusual", "wrong", "least_sure"]
REASONS: tuple[Reason, ...] = ("abstained", "unusual", "wrong", "least_sure")
PREDICTION_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Waiting:
    """An answer that waits. `probabilities` are those of `class_names`; `image` is the encoded file.

    `feedback` are the classes that a user says the image has, None where nobody said anything; `comment` and
    the name of the API key `key` came with it.
    """

    id: str
    when: datetime
    version: int
    sha256: str
    image: Path
    task: Task
    class_names: tuple[str, ...]
    probabilities: tuple[float, ...]
    predicted: tuple[str, ...]
    reason: Reason
    feedback: tuple[str, ...] | None
    comment: str
    key: str

    @property
    def sureness(self) -> float:
        """Probability of the class; of several labels that of the least sure one being as it was said."""
        if self.task == "multi_class":
            return max(self.probabilities)
        return min(max(probability, 1 - probability) for probability in self.probabilities)

    def is_said_to_be(self, labels: Collection[str]) -> bool:
        """Whether feedback gave these classes, all of them and no other."""
        return self.feedback is not None and set(self.feedback) == set(labels)

    def likeliest(self, count: int) -> list[tuple[str, float]]:
        """That many classes and their probabilities, the most probable first; feedback's are among them."""
        said = set(self.feedback or ())
        pairs = list(zip(self.class_names, self.probabilities, strict=True))
        first = sorted(pairs, key=lambda pair: (pair[0] not in said, -pair[1]))[:count]
        return sorted(first, key=lambda pair: -pair[1])


def read_queue(workspace: Workspace, model: str) -> list[Waiting]:
    """What waits, the most urgent first; an image that was sent several times waits once.

    RegistryError where the reviews are damaged.
    """
    images = _kept_images(workspace)
    if not images:
        return []
    oldest = (int(min(images)[:12], 16) - TOLERANCE) / 1000
    table = read_predictions(workspace, model, since=datetime.fromtimestamp(max(0, oldest), UTC))
    reviewed = read_reviews(workspace, model)
    done = {sha256 for sha256, review in reviewed.items() if review.verdict != "withdrawn"}
    waiting = [found for found in _rows(table, images) if found.sha256 not in done]
    waiting.sort(key=lambda found: (REASONS.index(found.reason), found.sureness))
    return list({found.sha256: found for found in reversed(waiting)}.values())[::-1]


def _kept_images(workspace: Workspace) -> dict[str, Path]:
    """The files by the ids of their predictions."""
    paths = kept_images_folder(workspace).glob("date=*/*")
    return {path.name: path for path in paths if PREDICTION_ID.fullmatch(path.name)}


def _rows(table: Any, images: dict[str, Path]) -> Iterator[Waiting]:
    import pyarrow as pa
    from pyarrow import compute

    described = {name.decode(): json.loads(value) for name, value in table.schema.metadata.items()}
    kept = table.filter(compute.is_in(table["id"], pa.array(list(images))))
    for row in kept.to_pylist():
        if row["arm"] != "shadow":
            yield _waiting(row, images[row["id"]], described)


def _waiting(row: dict[str, Any], image: Path, described: dict[str, Any]) -> Waiting:
    said = row["truth"]
    return Waiting(
        id=row["id"],
        when=row["time"],
        version=row["version"],
        sha256=row["sha256"],
        image=image,
        task=described["tasks"][row["digest"]],
        class_names=tuple(described["class_names"][row["digest"]]),
        probabilities=tuple(row["probabilities"]),
        predicted=tuple(row["names"]),
        reason=_reason(row),
        feedback=None if said is None else tuple(said),
        comment=row["comment"] or "",
        key=row["key"] or "",
    )


def _reason(row: dict[str, Any]) -> Reason:
    if row["abstain"]:
        return "abstained"
    if row["unusual"]:
        return "unusual"
    return "wrong" if row["right"] is False else "least_sure"

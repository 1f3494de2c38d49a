"""A workspace with answers that wait for a person, as a service that keeps images would leave them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np
from PIL import Image

from registry.pointer import ChampionPointer
from registry.prediction_files import kept_images_folder
from registry.prediction_rows import Answered, Feedback, Prediction
from registry.workspace import Workspace
from tests.registry.log_rows import NOON, make_feedback, make_prediction, write
from vision.task import Task

MODEL = "flowers"
NAMES = ("daisy", "rose", "tulip", "sunflower", "xeranthemum", "<b>poppy</b>")


def make_image(shade: int, size: tuple[int, int] = (40, 30)) -> bytes:
    """A PNG whose upper left quarter is red, so that the side can be told."""
    picture = Image.new("RGB", size, (shade, shade, shade))
    picture.paste((200, 30, 30), (0, 0, size[0] // 2, size[1] // 2))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def add_answer(
    home: Workspace,
    number: int,
    image: bytes,
    *,
    said: Sequence[str] | None = None,
    key: str = "",
    task: Task = "multi_class",
    confidence: float = 0.6,
    **changes: object,
) -> str:
    """The id of an answer "rose" (or, of several labels, rose and daisy) whose image was kept.

    `said` is what a user says of it.
    """
    names = ("rose",) if task == "multi_class" else ("rose", "daisy")
    answered = Answered(ChampionPointer(MODEL, 3, "d" * 64), "champion", task, NAMES, names)
    rest = (1 - confidence) / 2
    probabilities = np.array([rest, confidence, rest / 2, rest / 4, rest / 8, rest / 8], np.float32)
    row = make_prediction(NOON + number, number, answered=answered, probabilities=probabilities)
    row = replace(row, sha256=sha256(image).hexdigest(), **{"abstain": False} | changes)
    rows: list[Prediction | Feedback] = [row]
    if said is not None:
        comment = "look at its <i>leaves</i>"
        rows.append(replace(make_feedback(NOON + number, said, of=row, comment=comment), key=key))
    write(home, *rows)
    folder = kept_images_folder(home) / "date=2026-11-05"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / row.id).write_bytes(image)
    return row.id

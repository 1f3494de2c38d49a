"""What one test found, before it is judged together with the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Subject = Literal["inputs", "predictions", "confidence", "energy", "feedback"]
# Each subject in words, in the order in which a reader meets them.
SUBJECTS: dict[Subject, str] = {
    "inputs": "What images look like",
    "predictions": "What is predicted",
    "confidence": "How sure the answers are",
    "energy": "How familiar the images are",
    "feedback": "What people say",
}


@dataclass(frozen=True)
class Finding:
    """`p_value`: how often chance alone would bring about as much; `effect` is how much that is.

    `said` is a sentence without its end, to which the judgement is added.
    """

    name: str
    subject: Subject
    method: str
    statistic: float
    p_value: float
    effect: float
    effect_name: str
    said: str


def in_words(name: str) -> str:
    """A test's name, or a property's, for people."""
    return {"size_bytes": "size in bytes"}.get(name, name.replace("_", " "))

"""What the client gives back: frozen values, read from the service's JSON.

What a newer service says besides is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class ClassProbability:
    """`present`: of a multi-label model, whether the image has the label; else None."""

    name: str
    probability: float
    present: bool | None = None


@dataclass(frozen=True)
class Uncertainty:
    """How far an answer can be trusted; what is None, the model has no rule for."""

    energy: float
    unusual: bool
    abstain: bool | None = None
    prediction_set: tuple[str, ...] | None = None
    coverage: float | None = None


@dataclass(frozen=True)
class Milliseconds:
    """Of the service alone: `total` from the complete request to the answer."""

    queue: float
    decode: float
    infer: float
    total: float


@dataclass(frozen=True)
class Prediction:
    """One image's answer.

    `names` is its class, or the labels that it has, most probable first; `classes` are the `top_k` likeliest
    with calibrated probabilities, 0..1.
    """

    id: str
    model: str
    version: int
    arm: str
    task: str
    names: tuple[str, ...]
    classes: tuple[ClassProbability, ...]
    uncertainty: Uncertainty | None
    cached: bool
    milliseconds: Milliseconds

    @property
    def class_name(self) -> str | None:
        """The most probable class; None of a multi-label model."""
        return self.names[0] if self.task == "multi_class" else None

    @property
    def confidence(self) -> float:
        """The probability of the likeliest class or label."""
        return self.classes[0].probability


@dataclass(frozen=True)
class Explanation:
    """A PNG of the image in which what speaks for the class is lit."""

    png: bytes
    class_name: str
    method: str


@dataclass(frozen=True)
class Model:
    """A model that the service has, and the version that answers."""

    name: str
    version: int
    task: str
    class_names: tuple[str, ...]


def read_prediction(answer: Mapping[str, Any]) -> Prediction:
    """Of an answer of /v1/classify; KeyError or TypeError where it is none."""
    doubt, names = answer["uncertainty"], [answer["class"]] if "class" in answer else answer["labels"]
    parts = {
        "names": names,
        "classes": [known_fields(ClassProbability, entry) for entry in answer["classes"]],
        "uncertainty": None if doubt is None else known_fields(Uncertainty, doubt),
        "milliseconds": known_fields(Milliseconds, answer["milliseconds"]),
    }
    return known_fields(Prediction, {**answer, **parts})


def known_fields(result: type[T], said: Mapping[str, Any]) -> T:
    """The dataclass of those of its fields that the answer has; TypeError where one is missing."""
    known = {field.name: said[field.name] for field in fields(result) if field.name in said}  # type: ignore[arg-type]
    return result(**{name: tuple(v) if isinstance(v, list) else v for name, v in known.items()})

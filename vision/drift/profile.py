"""What images and the answers to them look like: of the validation images, or of a time of service."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from vision.bundle import atomic_folder
from vision.drift.answering import Answering
from vision.errors import BundleError, DataError
from vision.task import Task

FILE = "profile.npz"
PROPERTY = "property."  # before a property's name in the file
# What reading a file raises that is not one, was cut short or holds something else.
DAMAGED = (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, BadZipFile, zlib.error, DataError)


@dataclass(frozen=True)
class Profile:
    """N answers, and M images that were kept of them; of the reference N = M.

    `right` and `covered` are of the answers that a person judged (the reference: all): whether the answer
    was right, and whether the prediction set held the truth. One row an image: ten answers to one file are
    one observation, and as ten they would look like drift. DataError where the parts do not fit each other,
    or a figure is no finite number.
    """

    probabilities: NDArray[np.float32]  # (N, K)
    energy: NDArray[np.float64]  # (N,)
    right: NDArray[np.bool_]  # (F,)
    covered: NDArray[np.bool_]  # (F,), or none
    properties: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # name -> (M,)
    embeddings: NDArray[np.floating[Any]] = field(
        default_factory=lambda: np.zeros((0, 0), np.float32)
    )  # (M, D)
    # Of the reference: how it answers, and T of its images, small, for people to look at.
    answering: Answering = field(default_factory=Answering)
    examples: NDArray[np.uint8] = field(
        default_factory=lambda: np.zeros((0, 1, 1, 3), np.uint8)
    )  # (T, H, W, 3)

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2 or self.energy.shape != (len(self.probabilities),):
            raise DataError(
                f"a profile has probabilities {self.probabilities.shape} and energies {self.energy.shape}:"
                " allowed are (N, K) and (N,)"
            )
        lengths = {name: len(values) for name, values in self.properties.items()}
        if self.embeddings.size:
            lengths["embeddings"] = len(self.embeddings)
        if len(set(lengths.values())) > 1:
            raise DataError(f"a profile's images are not as many in each part: {lengths}")
        numbers: dict[str, NDArray[Any]] = {
            "probabilities": self.probabilities,
            "energy": self.energy,
            "embeddings": self.embeddings,
            **self.properties,
        }
        for name, values in numbers.items():
            if not (finite := np.isfinite(values)).all():
                raise DataError(
                    f"{(~finite).sum()} of {values.size} numbers in a profile's {name} are infinite or no"
                    " numbers: allowed are finite ones; the model is broken, roll back to another version"
                )

    @property
    def answers(self) -> int:
        return len(self.probabilities)

    @property
    def images(self) -> int:
        return max(len(self.embeddings), *map(len, self.properties.values()), 0)

    def save(self, folder: Path) -> None:
        """Writes the folder, whole or not at all."""
        answering = self.answering
        arrays = {
            "probabilities": self.probabilities,
            "energy": self.energy,
            "right": self.right,
            "covered": self.covered,
            "embeddings": self.embeddings,
            "examples": self.examples,
            "class_names": np.array(answering.class_names, np.str_),
            "task": np.array(answering.task),
            "thresholds": np.array(answering.thresholds, np.float64),
            "coverage": np.array([] if answering.coverage is None else [answering.coverage]),
            **{f"{PROPERTY}{name}": values for name, values in self.properties.items()},
        }
        with atomic_folder(folder) as temporary:
            np.savez_compressed(temporary / FILE, allow_pickle=False, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The profile of a folder; BundleError where its file is missing or damaged."""
        path = folder / FILE
        if not path.is_file():
            raise BundleError(f"{folder} has no profile ({FILE}): train and register the model again")
        try:
            # Opened here: of a damaged file np.load leaves its own open.
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                return cls._from_arrays({name: file[name] for name in file.files})
        except DAMAGED as error:
            raise BundleError(
                f"{path} is damaged ({type(error).__name__}: {error}): restore it, or train and register the"
                " model again"
            ) from error

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return cls(
            **{name: arrays[name] for name in ("probabilities", "energy", "right", "covered")},
            properties={
                name.removeprefix(PROPERTY): values
                for name, values in arrays.items()
                if name.startswith(PROPERTY)
            },
            embeddings=arrays["embeddings"],
            answering=Answering(
                class_names=tuple(arrays["class_names"].tolist()),
                task=cast(Task, str(arrays["task"])),
                thresholds=tuple(arrays["thresholds"].tolist()),
                coverage=next(iter(arrays["coverage"].tolist()), None),
            ),
            examples=arrays["examples"],
        )

"""What is known of a data set before anything is learned from it, as values that go through JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A part of the summary."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassImages(Record):
    """The readable images of one class."""

    name: str
    count: int
    paths: tuple[str, ...]


class LeftOut(Record):
    """A file that is not used, and why."""

    path: str
    reason: str


class ImageSet(Record):
    """Images that belong together: `labels` and `splits` run beside `paths`."""

    paths: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    across_classes: bool
    across_splits: bool


class LabelIssue(Record):
    """A label that the other images speak against; score 0..1, the smaller the more doubtful."""

    path: str
    label: str
    suggested_label: str
    score: float


class Spread(Record):
    """Pixels."""

    min: int
    median: float
    max: int


class DataSummary(Record):
    """Findings first, as a reader needs them. Paths are those of the manifest; all lists are complete.

    Classes, sets, issues, splits and sizes speak of readable images. A multi-label image counts in each of
    its classes. `exact_duplicates` are the same bytes, `near_duplicates` almost the same picture, with its
    copies; both hold the sets over several classes or splits first. `splits` is {} where none was drawn.
    `out_of_fold_accuracy` is that of the model behind `label_issues`, 0..1, or None where it did not run.
    """

    sentences: tuple[str, ...] = ()
    images: int
    readable: int
    task: Literal["multi_class", "multi_label"]
    revision: str
    classes: tuple[ClassImages, ...]
    unreadable: tuple[LeftOut, ...]
    exact_duplicates: tuple[ImageSet, ...]
    near_duplicates: tuple[ImageSet, ...]
    label_conflicts: tuple[ImageSet, ...]
    label_issues: tuple[LabelIssue, ...]
    issues: dict[str, tuple[str, ...]]
    quarantined: tuple[LeftOut, ...]
    splits: dict[str, dict[str, int]]
    sizes: dict[str, Spread]
    formats: dict[str, int]
    modes: dict[str, int]
    out_of_fold_accuracy: float | None

"""The inspected manifest -> its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd

from vision.data_report.contents import ClassImages, DataSummary, ImageSet, LabelIssue, LeftOut, Spread
from vision.data_report.findings import describe_findings
from vision.manifest import EXCLUDED, ISSUES, SPLITS, Manifest

# Issue of a single picture -> what its images are sorted by, the worst first.
WORST_FIRST: dict[str, Callable[[pd.DataFrame], pd.Series[Any]]] = {
    "dark": lambda table: table["brightness"],
    "light": lambda table: -table["brightness"],
    "low_information": lambda table: table["entropy"],
    "blurry": lambda table: table["sharpness"],
    "grayscale": lambda table: table["path"],
    "odd_size": lambda table: -_distance(table["width"] * table["height"]),
    "odd_aspect_ratio": lambda table: -_distance(table["width"] / table["height"]),
}


def summarize_data(
    manifest: Manifest, *, quarantine: pd.DataFrame, out_of_fold_accuracy: float | None
) -> DataSummary:
    """The summary of all rows, readable or not, with the columns COLUMNS and INSPECTED of vision.manifest.

    `quarantine` has the columns path and reason: the images that are left out of training and tests.
    """
    table, readable = manifest.table, manifest.readable
    summary = DataSummary(
        images=len(table),
        readable=len(readable.table),
        task="multi_label" if manifest.is_multi_label else "multi_class",
        revision=manifest.revision,
        classes=_classes(manifest),
        unreadable=_left_out(table[~table["is_readable"]]),
        **_sets(readable.table),
        label_issues=_label_issues(readable.table),
        issues=_issues(readable.table),
        quarantined=_left_out(quarantine),
        splits=_splits(readable),
        sizes={side: _spread(readable.table[side]) for side in ("width", "height") if len(readable.table)},
        formats=_counts(readable.table["format"]),
        modes=_counts(readable.table["mode"]),
        out_of_fold_accuracy=out_of_fold_accuracy,
    )
    return summary.model_copy(update={"sentences": describe_findings(summary)})


def _classes(manifest: Manifest) -> tuple[ClassImages, ...]:
    """Also those none of whose files can be read."""
    readable = manifest.readable
    paths: dict[str, list[str]] = {name: [] for name in manifest.class_names}
    for path, names in zip(readable.table["path"], readable.labels, strict=True):
        for name in names:
            paths[name].append(path)
    return tuple(
        ClassImages(name=name, count=len(found), paths=tuple(found)) for name, found in paths.items()
    )


def _left_out(rows: pd.DataFrame) -> tuple[LeftOut, ...]:
    return tuple(
        LeftOut(path=path, reason=reason) for path, reason in zip(rows["path"], rows["reason"], strict=True)
    )


def _sets(table: pd.DataFrame) -> dict[str, tuple[ImageSet, ...]]:
    clusters = table[table["cluster"] != ""]
    # A cluster of nothing but copies is told among the copies.
    is_varied = clusters.groupby("cluster")["sha256"].transform("nunique") > 1
    return {
        "exact_duplicates": find_sets(table, "sha256"),
        "near_duplicates": find_sets(clusters[is_varied], "cluster"),
        "label_conflicts": find_sets(table[table["has_label_conflict"]], "sha256"),
    }


def find_sets(table: pd.DataFrame, column: str) -> tuple[ImageSet, ...]:
    """The rows that share a value of the column with another, as sets.

    Those over several classes come first, then those over several splits, then the largest.
    """
    repeated = table[table.duplicated(column, keep=False)].sort_values("path")
    members: dict[str, list[tuple[str, str, str]]] = {}  # plain: pandas takes 0.2 ms a group
    columns = (repeated[name] for name in (column, "path", "label", "split"))
    for key, *image in zip(*columns, strict=True):
        members.setdefault(key, []).append((image[0], image[1], image[2]))
    return tuple(sorted(map(_image_set, members.values()), key=_worst_first))


def _image_set(members: list[tuple[str, str, str]]) -> ImageSet:
    paths, labels, splits = zip(*members, strict=True)
    return ImageSet(
        paths=paths,
        labels=labels,
        splits=splits,
        across_classes=len(set(labels)) > 1,
        # What is excluded or not drawn yet stands on neither side.
        across_splits=len(set(splits) & set(SPLITS)) > 1,
    )


def _worst_first(images: ImageSet) -> tuple[bool, bool, int, tuple[str, ...]]:
    return not images.across_classes, not images.across_splits, -len(images.paths), images.paths


def _label_issues(table: pd.DataFrame) -> tuple[LabelIssue, ...]:
    doubtful = table[table["has_label_issue"]].sort_values(["label_score", "path"])
    columns = (doubtful[column] for column in ("path", "label", "suggested_label", "label_score"))
    return tuple(
        LabelIssue(path=path, label=label, suggested_label=suggested, score=score)
        for path, label, suggested, score in zip(*columns, strict=True)
    )


def _issues(table: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Issue -> paths, the worst first."""
    found = {}
    for issue, order in WORST_FIRST.items():
        worst = table.assign(order=order(table)).sort_values(["order", "path"])
        found[issue] = tuple(worst["path"][worst[ISSUES[issue]]])
    return found


def _distance(values: pd.Series[Any]) -> pd.Series[Any]:
    """By what factor a value is larger or smaller than the median."""
    ratio = values / values.median()
    return ratio.where(ratio >= 1, 1 / ratio)


def _splits(manifest: Manifest) -> dict[str, dict[str, int]]:
    """Split -> class -> images, every class in each split that has any image."""
    counts: dict[str, dict[str, int]] = {}
    for split in (*SPLITS, EXCLUDED):
        part = manifest.select(split)
        if len(part.table):
            counts[split] = dict.fromkeys(manifest.class_names, 0)
            for names in part.labels:
                for name in names:
                    counts[split][name] += 1
    return counts


def _spread(sides: pd.Series[Any]) -> Spread:
    return Spread(min=int(sides.min()), median=float(sides.median()), max=int(sides.max()))


def _counts(values: pd.Series[Any]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))

"""What is noticed about the images before anything is learned from them; nothing is decided here.

In the order in which they are called: thumbnails; properties (brightness ... and cleanvision's issues);
hash_pairs, resemblance, near_duplicates (clusters); flags (copies, conflicts); embedding, out_of_fold,
label_issues. All look at the prepared images, so no file is opened or decoded again: 5,421 photos take
4 s on two cores, without label issues; cleanvision over the files took 49.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vision.image_array import ImageArray
from vision.inspection.embedding import embed_images
from vision.inspection.flags import flag_copies
from vision.inspection.label_issues import LabelJudgement, judge_labels, unjudged
from vision.inspection.near_duplicates import cluster_images
from vision.inspection.properties import mark_issues, measure_images
from vision.inspection.resemblance import LEAST_SIDE
from vision.manifest import INSPECTED, MEASURED, Manifest
from vision.quality_config import QualityConfig


@dataclass(frozen=True)
class Inspection:
    """The manifest with the columns INSPECTED, and how good the classifier behind its label issues was.

    `out_of_fold_accuracy` is 0..1, None where labels were not judged: see label_issues.LabelJudgement.
    """

    manifest: Manifest
    out_of_fold_accuracy: float | None


def inspect_images(manifest: Manifest, images: ImageArray, *, config: QualityConfig, seed: int) -> Inspection:
    """The manifest inspected; `images` are the prepared ones (N, H, W, 3) of manifest.readable, in its order.

    Labels are not judged where config.policies.label_issues is "ignore". ConfigError where the embedding
    lacks its weights.
    """
    readable = manifest.readable
    assert len(images) == len(readable.table), "one prepared image for each readable row"
    if readable.table.empty:
        return Inspection(manifest.with_table(_fill(manifest.table, pd.DataFrame())), None)
    inspected = readable.with_table(_inspect_pixels(readable.table, images))
    judgement = _judge(inspected, images, config, seed)
    columns = inspected.table.join(judgement.table)[list(INSPECTED)]
    columns.index = manifest.table.index[manifest.table["is_readable"]]
    return Inspection(manifest.with_table(_fill(manifest.table, columns)), judgement.out_of_fold_accuracy)


def _inspect_pixels(table: pd.DataFrame, images: ImageArray) -> pd.DataFrame:
    measured = measure_images(images)
    clusters = cluster_images(
        images,
        hashes=measured["perceptual_hash"].to_numpy(np.uint64),
        sha256=table["sha256"].tolist(),
        is_coarse=_is_coarse(table, images),
    )
    found = pd.concat([measured[list(MEASURED)], mark_issues(measured, table[["width", "height"]])], axis=1)
    table = table.join(found.assign(cluster=clusters))
    return table.join(flag_copies(table))


def _is_coarse(table: pd.DataFrame, images: ImageArray) -> NDArray[np.bool_]:
    smaller = table[["width", "height"]].min(axis=1).clip(upper=min(images.shape[1:3]))
    return (smaller < LEAST_SIDE).to_numpy(bool)


def _judge(manifest: Manifest, images: ImageArray, config: QualityConfig, seed: int) -> LabelJudgement:
    if config.policies.label_issues == "ignore":
        return LabelJudgement(unjudged(len(manifest.table)), None)
    embedding = embed_images(images, config=config)
    return judge_labels(manifest, embedding, folds=config.folds, seed=seed)


def _fill(table: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """The table with INSPECTED, in this order, from the readable rows; the other rows say nothing."""
    kinds = {"cluster": "", "suggested_label": "", "label_score": 1.0, **dict.fromkeys(MEASURED, 0.0)}
    nothing = pd.DataFrame({name: kinds.get(name, False) for name in INSPECTED}, index=table.index)
    nothing.loc[columns.index, list(columns.columns)] = columns
    return table.drop(columns=[*INSPECTED], errors="ignore").join(nothing)

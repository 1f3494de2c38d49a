"""What is found in real data sets, and how much of what was planted in a copy of them."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.datasets import DataSet, data_sets, quality
from benchmarks.record import table, write_section
from benchmarks.spoiling import CHANGES, SHARE, Spoilt, spoil
from vision.data_report import DataSummary, summarize_data
from vision.ingest import read_images
from vision.inspection import inspect_images
from vision.manifest import Manifest
from vision.pixel_store import PixelStore
from vision.sources import list_images
from vision.sources.listing import Listing

SEED = 1
NOTHING = pd.DataFrame({"path": [], "reason": []}, dtype=str)


def main() -> None:
    with data_sets() as sets:
        found, planted = [], []
        for data_set in sets:
            with tempfile.TemporaryDirectory() as folder:
                listing = list_images(data_set.config, Path(folder))
                manifest, row = _find(data_set, listing, Path(folder) / "pixels")
                found.append(row)
                spoilt = spoil(listing, Path(folder) / "spoilt", seed=SEED)
                planted.append(_recover(data_set, spoilt, manifest, Path(folder) / "pixels"))
        write_section("quality", table(FOUND, found))
        write_section("planted", table(PLANTED, planted))


FOUND = (
    "data", "images", "unreadable", "quarantined", "exact copies", "near-duplicates", "label conflicts",
    "doubtful labels", "out-of-fold accuracy", "read, s", "inspect, s",
)  # fmt: skip
PLANTED = (
    "data", "exact copies: precision, recall", "near-duplicates: precision, recall",
    "the same by cleanvision",
    *(f"recall: {change.__name__.strip('_')}" for change in CHANGES),
    f"labels ({SHARE:.0%} wrong): precision, recall",
)  # fmt: skip


def _find(data_set: DataSet, listing: Listing, pixels: Path) -> tuple[Manifest, list[object]]:
    started = time.perf_counter()
    store = PixelStore(pixels, data_set.preprocessing)
    manifest = read_images(listing, store)
    read = time.perf_counter() - started
    inspected, accuracy = _inspect(manifest, store)
    seconds = time.perf_counter() - started - read
    summary = summarize_data(inspected, quarantine=NOTHING, out_of_fold_accuracy=accuracy)
    return inspected, [*_counts(data_set, summary, inspected), f"{read:.1f}", f"{seconds:.1f}"]


def _inspect(manifest: Manifest, store: PixelStore) -> tuple[Manifest, float | None]:
    images = store.images(manifest.readable.table["sha256"].tolist())
    inspection = inspect_images(manifest, images, config=quality(), seed=SEED)
    return inspection.manifest, inspection.out_of_fold_accuracy


def _counts(data_set: DataSet, summary: DataSummary, manifest: Manifest) -> list[object]:
    accuracy = summary.out_of_fold_accuracy
    return [
        data_set.name,
        f"{summary.images:,}",
        len(summary.unreadable),
        # By the default policies.
        len(summary.unreadable) + int(manifest.table["has_label_conflict"].sum()),
        int(manifest.table["is_exact_duplicate"].sum()),
        int(manifest.table["is_near_duplicate"].sum()),
        int(manifest.table["has_label_conflict"].sum()),
        len(summary.label_issues),
        "" if accuracy is None else f"{accuracy:.3f}",
    ]


def _recover(data_set: DataSet, spoilt: Spoilt, before: Manifest, pixels: Path) -> list[object]:
    """Precision and recall of what was planted; what was found in the set as it is counts neither way."""
    store = PixelStore(pixels, data_set.preprocessing)
    manifest, _ = _inspect(read_images(spoilt.listing, store), store)
    rows = manifest.table.set_index("path")
    natural = _pairs(before.table.set_index("path"), "sha256") | _pairs(
        before.table.set_index("path"), "cluster"
    )
    exact = _pairs(rows, "sha256") - natural
    near = _pairs(rows, "cluster") - natural - exact
    theirs = _cleanvision(spoilt.listing) - natural - exact
    true_near = {_pair(copy, original) for copy, original in spoilt.near.items()}
    doubted = set(rows.index[rows["has_label_issue"]]) - set(
        before.table["path"][before.table["has_label_issue"]]
    )
    recalls = [
        sum(_pair(*pair) in near for pair in list(spoilt.near.items())[kind :: len(CHANGES)])
        / max(1, len(list(spoilt.near)[kind :: len(CHANGES)]))
        for kind in range(len(CHANGES))
    ]
    return [
        data_set.name,
        _score(exact, {_pair(copy, original) for copy, original in spoilt.exact.items()}),
        _score(near, true_near),
        _score(theirs, true_near),
        *(f"{recall:.2f}" for recall in recalls),
        _score({(path, "") for path in doubted}, {(path, "") for path in spoilt.mislabelled}),
    ]


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def _pairs(rows: pd.DataFrame, column: str) -> set[tuple[str, str]]:
    """Every two images with one value of the column, other than ""."""
    named = rows[rows[column] != ""]
    sets = (list(paths) for paths in named.groupby(column).groups.values() if len(paths) > 1)
    return {_pair(one, other) for paths in sets for one in paths for other in paths if one < other}


def _cleanvision(listing: Listing) -> set[tuple[str, str]]:
    """The pairs that cleanvision 0.3.7 takes for near-duplicates: equal perceptual hashes."""
    import contextlib
    import io

    from cleanvision import Imagelab

    lab = Imagelab(filepaths=[f"{listing.root}/{row.path}" for row in listing.rows])
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lab.find_issues({"near_duplicates": {}}, n_jobs=2, verbose=False)
    inside = len(listing.root) + 1
    return {
        _pair(one[inside:], other[inside:])
        for members in lab.info["near_duplicates"]["sets"]
        for one in members
        for other in members
        if one < other
    }


def _score(found: set[tuple[str, str]], planted: set[tuple[str, str]]) -> str:
    right = len(found & planted)
    return f"{right / max(1, len(found)):.3f}, {right / max(1, len(planted)):.3f}"

"""What leaked near-duplicates are worth: one network, trained on splits that know of them and that do not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.datasets import DATA
from benchmarks.record import table, write_section
from benchmarks.spoiling import spoil
from vision.config import SplitConfig
from vision.config_file import load_config
from vision.ingest import read_images
from vision.inspection import inspect_images
from vision.intervals import wilson_interval
from vision.manifest import Manifest
from vision.pixel_store import PixelStore
from vision.prepared import prepare_images
from vision.quality_config import QualityConfig, QualityPolicies
from vision.sources import list_images
from vision.splitting import split_images
from vision.training.train import TrainingPlan, train_classifier

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "flowers-scratch.yaml"
# As in series of photos: every third has a second shot.
SHARE = 0.33
EPOCHS = 20


def main() -> None:
    if not (DATA / "flowers").exists():
        raise SystemExit("../shared/data/flowers is not here: nothing to measure")
    with tempfile.TemporaryDirectory() as folder:
        rows = _measure(Path(folder))
    write_section("leakage", table(("split", "judged on", "test images", "accuracy", "95 % interval"), rows))


def _measure(folder: Path) -> list[tuple[object, ...]]:
    config = load_config(CONFIG)
    data = config.data.model_copy(update={"path": str(DATA / "flowers")})
    series = spoil(list_images(data, folder), folder / "series", seed=1, exact=0, near=SHARE, mislabelled=0)
    store = PixelStore(folder / "pixels", config.prepare)
    manifest = read_images(series.listing, store)
    quality = QualityConfig(policies=QualityPolicies(label_issues="ignore"))
    images = store.images(manifest.table["sha256"].tolist())
    manifest = inspect_images(manifest, images, config=quality, seed=1).manifest
    manifest = manifest.with_table(manifest.table[~manifest.table["has_label_conflict"]])

    # What really is a second shot, whatever inspection has found.
    twins = {**series.near, **{original: copy for copy, original in series.near.items()}}
    rows: list[tuple[object, ...]] = []
    for name, together in (("by image", False), ("by near-duplicate cluster", True)):
        divided = split_images(manifest, SplitConfig(near_duplicates_together=together), seed=1)
        right, leaked = _judge(divided, folder / f"pixels-{together}", twins)
        rows.append((name, "all test images", *_score(right)))
        rows.append((name, "those without a second shot in training", *_score(right[~leaked])))
        if leaked.any():
            rows.append((name, "those with one", *_score(right[leaked])))
    return rows


def _judge(divided: Manifest, folder: Path, twins: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """For each test image: whether the answer is right, and whether its second shot was trained on."""
    config = load_config(CONFIG)
    prepared = prepare_images(divided, config.prepare, folder)
    recipe = config.train.model_copy(update={"epochs": EPOCHS})
    classifier, _ = train_classifier(prepared, TrainingPlan(config.model, recipe, config.augment, seed=1))
    answers = classifier.predict(np.asarray(prepared.images("test"))).argmax(axis=1)
    learned = set(prepared.paths("train"))
    leaked = np.array([twins.get(path) in learned for path in prepared.paths("test")])
    return answers == prepared.labels("test"), leaked


def _score(right: np.ndarray) -> tuple[str, str, str]:
    share = wilson_interval(int(right.sum()), len(right))
    return f"{len(right):,}", f"{share.value:.4f}", f"{share.low:.4f} to {share.high:.4f}"

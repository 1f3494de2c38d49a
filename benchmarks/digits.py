"""Digits: the whole pipeline over five seeds beside scikit-learn's SVC on the same splits."""

from __future__ import annotations

import copy
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.record import table, write_section
from benchmarks.runs import PipelineRun, empty_home, read_config, run_pipeline
from vision.config import Config
from vision.ingest import measure_images
from vision.manifest import Manifest
from vision.sources import SOURCES
from vision.splitting import split_images

SEEDS = (1, 2, 3, 4, 5)
CONFIG = "zenml_config.yaml"


def main() -> None:
    rows, runs = [], []
    for seed in SEEDS:
        config = _with_seed(read_config(CONFIG), seed)
        with empty_home() as environment:
            run = run_pipeline(config, environment)
            manifest = _split_manifest(config, Path(environment["SIGHTLINE_HOME"]) / "data")
        test_images = int((manifest.table["split"] == "test").sum())
        svc = _svc_accuracy(manifest, ["train"])
        svc_more = _svc_accuracy(manifest, ["train", "validation"])
        rows.append((seed, test_images, run.accuracy, svc, svc_more, run.seconds))
        runs.append(run)
    write_section("digits", _text(rows, runs))


def _with_seed(config: dict[str, Any], seed: int) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    changed["parameters"]["config"]["seed"] = seed
    return changed


def _split_manifest(config: dict[str, Any], data_folder: Path) -> Manifest:
    """The same split as the pipeline's: it depends on content and seed alone."""
    settings = Config.model_validate(config["parameters"]["config"])
    listing = SOURCES[settings.data.source](settings.data, data_folder)
    manifest = measure_images(
        listing, max_pixels=settings.prepare.max_pixels, background=settings.prepare.background
    )
    split = split_images(
        manifest, validation=settings.split.validation, test=settings.split.test, seed=settings.seed
    )
    pixels = [_pixels(manifest.root / path) for path in split.table["path"]]
    return split.with_table(split.table.assign(pixels=pixels))


def _pixels(path: Path) -> np.ndarray:
    """The 64 values 0..16 of scikit-learn's original."""
    return np.asarray(Image.open(path), dtype=np.float64).ravel() * 16 / 255


def _svc_accuracy(manifest: Manifest, splits: list[str]) -> float:
    from sklearn.svm import SVC

    table = manifest.table
    train, test = table[table["split"].isin(splits)], table[table["split"] == "test"]
    classifier = SVC(gamma=0.001).fit(np.stack(train["pixels"]), train["label"])
    return float(classifier.score(np.stack(test["pixels"]), test["label"]))


def _text(rows: list[tuple[Any, ...]], runs: list[PipelineRun]) -> str:
    head = ("seed", "test images", "Sightline", "SVC, train", "SVC, train + validation", "seconds")
    body = [
        (seed, images, f"{ours:.4f}", f"{svc:.4f}", f"{more:.4f}", f"{seconds:.0f}")
        for seed, images, ours, svc, more, seconds in rows
    ]
    means = [f"{mean(row[column] for row in rows):.4f}" for column in (2, 3, 4)]
    body.append(("**mean**", "", *(f"**{value}**" for value in means), ""))
    outside = median(run.share_outside_learning for run in runs)
    return (
        f"{table(head, body)}\n\n"
        f"Whole command, start-up included: median {median(run.seconds for run in runs):.0f} s,"
        f" slowest {max(run.seconds for run in runs):.0f} s; median share of it outside tuning and training"
        f" {100 * outside:.0f} %. Seconds a step in the last run: "
        + ", ".join(f"{name} {seconds:.1f}" for name, seconds in runs[-1].step_seconds.items())
        + "."
    )


if __name__ == "__main__":
    main()

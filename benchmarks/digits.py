"""Digits: the whole pipeline over five seeds beside scikit-learn's SVC on the same splits."""

from __future__ import annotations

import copy
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.record import table, write_section
from benchmarks.runs import PipelineRun, empty_home, read_config, run_pipeline
from registry.workspace import Workspace
from vision.bundle import sha256_file
from vision.config import Config
from vision.sources import list_images
from vision.split_memory import recall

SEEDS = (1, 2, 3, 4, 5)
CONFIG = "zenml_config.yaml"


def main() -> None:
    rows, runs = [], []
    for seed in SEEDS:
        config = _with_seed(read_config(CONFIG), seed)
        with empty_home() as environment:
            run = run_pipeline(config, environment)
            digits = _split_digits(config, Path(environment["SIGHTLINE_HOME"]))
        test_images = int((digits["split"] == "test").sum())
        svc = _svc_accuracy(digits, ["train"])
        svc_more = _svc_accuracy(digits, ["train", "validation"])
        rows.append((seed, test_images, run.accuracy, svc, svc_more, run.seconds))
        runs.append(run)
    write_section("digits", _text(rows, runs))


def _with_seed(config: dict[str, Any], seed: int) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    changed["parameters"]["config"]["seed"] = seed
    return changed


def _split_digits(config: dict[str, Any], home: Path) -> pd.DataFrame:
    """The pipeline's own split, as it remembers it: label, split and the original pixels of each digit."""
    settings = Config.model_validate(config["parameters"]["config"])
    workspace = Workspace(home)
    listing = list_images(settings.data, workspace.data)
    splits = recall(workspace.splits / f"{settings.name}-seed{settings.seed}.jsonl")
    files = [Path(listing.root) / row.path for row in listing.rows]
    return pd.DataFrame(
        {
            "label": [row.label for row in listing.rows],
            "split": [splits[sha256_file(file)] for file in files],
            "pixels": [_pixels(file) for file in files],
        }
    )


def _pixels(path: Path) -> np.ndarray:
    """The 64 values 0..16 of scikit-learn's original."""
    return np.asarray(Image.open(path), dtype=np.float64).ravel() * 16 / 255


def _svc_accuracy(digits: pd.DataFrame, splits: list[str]) -> float:
    from sklearn.svm import SVC

    train, test = digits[digits["split"].isin(splits)], digits[digits["split"] == "test"]
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

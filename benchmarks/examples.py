"""The worked examples of configs/, each trained as a user trains it, judged once on its test images."""

from __future__ import annotations

import copy
import csv
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import service
from benchmarks.baselines import frozen_features, logistic_regression, only_prepared, prior
from benchmarks.datasets import DATA, WEIGHTS
from benchmarks.record import table, write_section
from benchmarks.runs import PipelineRun, kept_home, read_config, run_init, run_pipeline
from vision.classifier import ImageClassifier
from vision.intervals import wilson_interval
from vision.metrics import METRICS, measure

SHOWN = ("accuracy", "macro_f1", "roc_auc", "ece")
LABEL_METRICS = ("mean_average_precision", "macro_f1", "accuracy", "hamming_loss")
MOBILENET = WEIGHTS / "mobilenetv2_1.0_224_imagenet_dequant_notop.weights.h5"


def cifar10_fast() -> None:
    """80 % in three minutes of training."""
    _cifar10("cifar10-fast", "configs/cifar10-fast.yaml")


def cifar10() -> None:
    """92 % in an hour of training."""
    _cifar10("cifar10", "configs/cifar10.yaml")


def _cifar10(section: str, name: str) -> None:
    with _unpacked("cifar10.zip") as data:
        config = _with_path(read_config(name), data)
        # Measured below the gate too: other benchmarks look at the model.
        config["parameters"]["config"]["promote"]["min_accuracy"] = 0.0
        run = run_pipeline(config, kept_home(section))
    write_section(section, _metrics(run, SHOWN))


def flowers() -> None:
    """Five kinds of flowers from ImageNet weights; the service answers for its champion."""
    run, home = _run("flowers", "flowers")
    probabilities = _baseline(home)
    figures = service.measure(Path(run.status["bundle"]))
    baseline = METRICS["accuracy"](only_prepared(home).labels("test"), probabilities)
    write_section("flowers", _metrics(run, SHOWN) + _beside(baseline))
    write_section("service-flowers", service.as_table(figures))


def flowers_scratch() -> None:
    """The same from random weights, at 64 pixels."""
    run, _ = _run("flowers-scratch", "flowers")
    write_section("flowers-scratch", _metrics(run, SHOWN))


def grocery() -> None:
    """81 kinds of groceries, and the 43 coarse ones that they belong to."""
    _grocery("grocery")


def grocery_ensemble() -> None:
    """The same by three networks."""
    _grocery("grocery-ensemble")


def _grocery(name: str) -> None:
    run, home = _run(name, "grocery")
    prepared = only_prepared(home)
    labels = prepared.labels("test")
    baseline = METRICS["accuracy"](labels, _baseline(home))
    classifier = ImageClassifier.load(Path(run.status["bundle"]))
    coarse = _coarse(prepared.class_names)
    totals = classifier.predict(prepared.images("test")) @ np.eye(coarse.max() + 1)[coarse]
    right = totals.argmax(axis=1) == coarse[labels]
    share = wilson_interval(int(right.sum()), len(right))
    text = (
        f"Coarse accuracy (probabilities of its fine classes added up): **{share.value:.4f}**,"
        f" 95 % interval {share.low:.4f} to {share.high:.4f}."
    )
    write_section(name, _metrics(run, SHOWN) + _beside(baseline) + f"\n\n{text}")


def own_data() -> None:
    """A user's own folder: what `sightline init` writes is trained with no edit, before any other try."""
    _demand(DATA / "grocery")
    with tempfile.TemporaryDirectory() as folder:
        config = read_config(str(run_init(DATA / "grocery", MOBILENET, Path(folder))))
    run, home = _run_of(config, "own-data")
    baseline = METRICS["accuracy"](only_prepared(home).labels("test"), _baseline(home))
    write_section("own-data", _metrics(run, SHOWN) + _beside(baseline))


def bccd() -> None:
    """Several labels an image: blood cells."""
    run, home = _run("bccd", "bccd")
    prepared = only_prepared(home)
    labels = prepared.labels("test")
    baselines = {
        "logistic regression a label on frozen MobileNetV2 features": _baseline(home),
        "always the prior": prior(prepared),
    }
    rows = [("Sightline", *(f"{run.status['metrics'][name]['value']:.4f}" for name in LABEL_METRICS))]
    rows += [(title, *_label_scores(labels, answers)) for title, answers in baselines.items()]
    write_section("bccd", f"{table(('', *LABEL_METRICS), rows)}\n\n{_seconds(run)}")


def _label_scores(labels: np.ndarray, probabilities: np.ndarray) -> list[str]:
    """At the threshold 0.5."""
    return [f"{measure(name, labels, probabilities):.4f}" for name in LABEL_METRICS]


def _coarse(class_names: tuple[str, ...]) -> np.ndarray:
    """The coarse class of each fine one (K,)."""
    with (DATA / "grocery" / "labels.csv").open() as file:
        known = {row["label"]: int(row["coarse_id"]) for row in csv.DictReader(file)}
    return np.array([known[name] for name in class_names])


def _baseline(home: Path) -> np.ndarray:
    prepared = only_prepared(home)
    return logistic_regression(frozen_features(prepared, weights=MOBILENET, alpha=1.0), prepared)


def _run(name: str, folder: str) -> tuple[PipelineRun, Path]:
    """The run of configs/<name>.yaml, whose data are in that folder, and its workspace."""
    _demand(DATA / folder)
    return _run_of(read_config(f"configs/{name}.yaml"), name)


def _run_of(config: dict[str, Any], name: str) -> tuple[PipelineRun, Path]:
    environment = kept_home(name)
    return run_pipeline(config, environment), Path(environment["SIGHTLINE_HOME"])


def _demand(path: Path) -> None:
    if not path.exists():
        raise SystemExit(f"{path} is not there: nothing to measure")


@contextmanager
def _unpacked(name: str) -> Iterator[Path]:
    _demand(DATA / name)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(DATA / name) as archive:
        archive.extractall(folder)
        yield Path(folder)


def _with_path(config: dict[str, Any], path: Path) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    changed["parameters"]["config"]["data"]["path"] = str(path)
    return changed


def _metrics(run: PipelineRun, names: tuple[str, ...]) -> str:
    metrics = run.status["metrics"]
    rows = [
        (name, f"{metrics[name]['value']:.4f}", f"{metrics[name]['low']:.4f} to {metrics[name]['high']:.4f}")
        for name in names
    ]
    return f"{table(('test metric', 'value', '95 % interval'), rows)}\n\n{_seconds(run)}"


def _seconds(run: PipelineRun) -> str:
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.step_seconds.items())
    return f"Whole command {run.seconds:.0f} s. Seconds a step: {steps}."


def _beside(baseline: float) -> str:
    return f"\n\nLogistic regression on frozen MobileNetV2 features of the same pixels: {baseline:.4f}."

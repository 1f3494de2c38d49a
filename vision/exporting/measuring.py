"""Every format of one classifier, measured side by side: size, accuracy, time, throughput, memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision.classifier import ImageClassifier
from vision.exporting.checked import export_checked
from vision.exporting.formats import FORMATS
from vision.metrics import measure
from vision.prepared import LabelledImages
from vision.runtimes import Runtime

ROUNDS = 20
LEAST_ROUNDS = 5
LONGEST_SECONDS = 120  # then no other round begins
CALLS_A_ROUND = 10  # of one image each, in every round of every format
BATCH = 32
BATCHES_A_ROUND = 1
MEMORY_TIMEOUT = 300  # seconds


class FormatMeasurement(BaseModel):
    """One format. Of one that failed `failure` says why, and no figure is there.

    `p50_ms` and `p99_ms` are of one image, `images_per_second` of batches of 32; `memory_mb` is what a
    fresh process holds that opened the export and answered once, `start_s` what that took it, with imports.
    `accuracy`, 0..1, is None where no labelled images were given; the last two are of h5, which needs code
    besides its file to be opened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    precision: str
    size_mb: float = 0.0
    accuracy: float | None = None
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    images_per_second: float = 0.0
    memory_mb: float | None = None
    start_s: float | None = None
    failure: str = ""


@dataclass
class _Times:
    """Seconds of each call."""

    one: list[float] = field(default_factory=list)
    batches: list[float] = field(default_factory=list)


def measure_formats(
    classifier: ImageClassifier,
    folder: Path,
    *,
    calibration: NDArray[np.uint8] | None,
    pixels: NDArray[np.uint8],
    test: LabelledImages | None = None,
    on_format: Callable[[str], None] = lambda name: None,
) -> list[FormatMeasurement]:
    """Exports the classifier, whose runtime is Keras, into `folder` and measures what can run here.

    `pixels` (N, H, W, 3), uint8, are those that exports are compared on; `on_format` hears what is begun.
    A format that fails, or that nothing here runs, is a row with its reason.
    """
    exported: dict[str, FormatMeasurement] = {}
    runtimes: dict[str, Runtime] = {}
    for name in FORMATS:
        on_format(name)
        exported[name], runtime = _export(name, classifier, folder / name, calibration, pixels, test)
        if runtime is not None:
            runtimes[name] = runtime
    on_format("times, all formats taking turns")
    times = _take_turns(runtimes, pixels)
    on_format("memory, a process for each format")
    return [
        _with_times(row, times[name], folder / name) if name in times else row
        for name, row in exported.items()
    ]


def _export(
    name: str,
    classifier: ImageClassifier,
    folder: Path,
    calibration: NDArray[np.uint8] | None,
    pixels: NDArray[np.uint8],
    test: LabelledImages | None,
) -> tuple[FormatMeasurement, Runtime | None]:
    row = FormatMeasurement(format=name, precision=FORMATS[name].precision)
    try:
        made = export_checked(name, classifier, folder, calibration=calibration, pixels=pixels)
        opened = FORMATS[name].open
        runtime = opened(folder) if opened else None
        if runtime is None:
            return row.model_copy(update={"failure": "nothing here runs it"}), None
        accuracy = _accuracy(classifier.with_runtime(runtime), test) if test else None
    except Exception as error:  # converters and engines raise what they like
        return row.model_copy(update={"failure": " ".join(str(error).split())[:200]}), None
    size = made.size_bytes / 1e6
    return row.model_copy(update={"size_mb": size, "accuracy": accuracy}), runtime


def _accuracy(classifier: ImageClassifier, test: LabelledImages) -> float:
    answers = classifier.predict(test.images)
    return measure("accuracy", test.labels, answers, thresholds=classifier.thresholds)


def _take_turns(runtimes: Mapping[str, Runtime], pixels: NDArray[np.uint8]) -> dict[str, _Times]:
    """Turns, so that a machine's slow seconds are the same for all."""
    one, batch = pixels[:1], np.resize(pixels, (BATCH, *pixels.shape[1:]))
    times = {name: _Times() for name in runtimes}
    for runtime in runtimes.values():
        runtime.logits(one), runtime.logits(batch)
    started = time.perf_counter()
    for done in range(ROUNDS):
        if done >= LEAST_ROUNDS and time.perf_counter() - started > LONGEST_SECONDS:
            break
        for name, runtime in runtimes.items():
            runtime.logits(one)  # engines change places: the first call finds cold caches
            times[name].one += [_seconds(runtime, one) for _ in range(CALLS_A_ROUND)]
            runtime.logits(batch)
            times[name].batches += [_seconds(runtime, batch) for _ in range(BATCHES_A_ROUND)]
    return times


def _seconds(runtime: Runtime, images: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    runtime.logits(images)
    return time.perf_counter() - started


def _with_times(row: FormatMeasurement, times: _Times, folder: Path) -> FormatMeasurement:
    start = _fresh_process(folder)
    return row.model_copy(
        update={
            "p50_ms": 1000 * float(np.percentile(times.one, 50)),
            "p99_ms": 1000 * float(np.percentile(times.one, 99)),
            "images_per_second": BATCH / float(np.median(times.batches)),
            **start,
        }
    )


def _fresh_process(folder: Path) -> dict[str, float]:
    """Memory and seconds of a new process that loads the export and answers; none where it cannot."""
    command = [sys.executable, "-m", "vision.exporting.fresh_process", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=MEMORY_TIMEOUT, check=False)
    if done.returncode:
        return {}
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer

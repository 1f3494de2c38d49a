"""How far a measured figure can be trusted: each metric with its 95 % interval.

Shares of right answers take Wilson's interval (1927), which keeps a width at 0 and 100 %, where the
bootstrap has none. The others take a seeded percentile bootstrap over images (Efron 1979), and so does the
difference of two models, of which every resample draws the same images for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vision.metrics import Answers, answers_for, check_predictions, measure, metrics_of
from vision.resampling import RESAMPLED, Counts
from vision.right_answers import SHARES_OF_IMAGES
from vision.task import Labels, Probabilities

LEVEL = 0.95
# Counts of one block of resamples: 2 million float64 are 16 MB, whatever the number of images.
BLOCK = 2_000_000


class MetricEstimate(BaseModel):
    """A value and the ends of its 95 % interval; low <= value <= high."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float


@lru_cache(maxsize=10_000)  # 0.4 ms a call, and of 1,000 classes many have the same counts
def wilson_interval(successes: int, trials: int) -> MetricEstimate:
    """Share of successes with Wilson's interval; 0, from 0 to 1, where nothing was tried."""
    from scipy.stats import binomtest

    if trials == 0:
        return MetricEstimate(value=0.0, low=0.0, high=1.0)
    interval = binomtest(successes, trials).proportion_ci(LEVEL, method="wilson")
    return _around(successes / trials, float(interval.low), float(interval.high))


def estimate(
    metric: str,
    labels: Labels,
    probabilities: Probabilities,
    *,
    thresholds: tuple[float, ...] = (),
    resamples: int = 300,
    seed: int = 0,
) -> MetricEstimate:
    """One metric of the table that fits the labels, with its interval."""
    return estimate_all(
        labels, probabilities, thresholds=thresholds, metrics=(metric,), resamples=resamples, seed=seed
    )[metric]


def estimate_all(
    labels: Labels,
    probabilities: Probabilities,
    *,
    thresholds: tuple[float, ...] = (),
    metrics: Sequence[str] | None = None,
    resamples: int = 300,
    seed: int = 0,
) -> dict[str, MetricEstimate]:
    """Every metric of the labels' task with its interval, by its name; all of them see the same resamples."""
    check_predictions(labels, probabilities)
    table = metrics_of(labels)
    answers = {name: answers_for(name, labels, probabilities, thresholds) for name in metrics or table}
    values = {name: table[name](labels, answer) for name, answer in answers.items()}
    drawn = {name: answer for name, answer in answers.items() if name not in SHARES_OF_IMAGES}
    spread = _resampled(labels, drawn, _draw(len(labels), resamples, seed))
    images = len(labels)
    return {
        name: _percentiles(value, spread[name])
        if name in spread
        else wilson_interval(round(value * images), images)
        for name, value in values.items()
    }


def estimate_differences(
    labels: Labels,
    before: Probabilities,
    after: Probabilities,
    *,
    thresholds: tuple[tuple[float, ...], tuple[float, ...]] = ((), ()),
    metrics: Sequence[str] | None = None,
    resamples: int = 300,
    seed: int = 0,
) -> dict[str, MetricEstimate]:
    """After minus before, both (N, K), in every metric of the labels' task, each with its interval.

    Paired: what makes an image hard makes it so for both, and that part of the spread falls out. Models that
    have the same images right differ by 0, from 0 to 0, in accuracy: the bootstrap knows no other images.
    """
    values, spreads = [], []
    for probabilities, limits in zip((before, after), thresholds, strict=True):
        check_predictions(labels, probabilities)
        answers = {
            name: answers_for(name, labels, probabilities, limits) for name in metrics or metrics_of(labels)
        }
        values.append({name: measure(name, labels, probabilities, thresholds=limits) for name in answers})
        # The same seed: the same draws for both.
        spreads.append(_resampled(labels, answers, _draw(len(labels), resamples, seed)))
    return {
        name: _percentiles(values[1][name] - values[0][name], spreads[1][name] - spreads[0][name])
        for name in values[0]
    }


def _draw(images: int, resamples: int, seed: int) -> Iterator[Counts]:
    """Blocks (R, N) of how often each image is drawn, N draws a row."""
    random = np.random.default_rng(seed)
    rows = max(1, BLOCK // images)
    for start in range(0, resamples, rows):
        indices = random.integers(0, images, (min(rows, resamples - start), images))
        yield np.stack([np.bincount(row, minlength=images) for row in indices]).astype(np.float64)


def _resampled(
    labels: Labels, answers: Mapping[str, Answers], blocks: Iterator[Counts]
) -> dict[str, NDArray[np.float64]]:
    if not answers:
        return {}
    parts = [
        [resample_metric(name, labels, answer, counts) for name, answer in answers.items()]
        for counts in blocks
    ]
    return {
        name: np.concatenate(column) for name, column in zip(answers, zip(*parts, strict=True), strict=True)
    }


def resample_metric(name: str, labels: Labels, answers: Answers, counts: Counts) -> NDArray[np.float64]:
    """The metric's value (R,) in each resample; counts (R, N)."""
    if name in SHARES_OF_IMAGES:
        return np.asarray(counts @ SHARES_OF_IMAGES[name](labels, answers) / len(labels))
    if name in RESAMPLED:
        return RESAMPLED[name](labels, answers, counts)
    rows = (np.repeat(np.arange(len(labels)), row.astype(int)) for row in counts)
    return np.array([metrics_of(labels)[name](labels[row], answers[row]) for row in rows])


def _percentiles(value: float, resampled: NDArray[np.float64]) -> MetricEstimate:
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(resampled, (tail, 100 - tail))
    return _around(value, float(low), float(high))


def _around(value: float, low: float, high: float) -> MetricEstimate:
    """The interval, widened to hold the value: resampling biases ECE upwards, often beyond it."""
    return MetricEstimate(value=value, low=min(low, value), high=max(high, value))

"""How often drift detection is wrong without drift, what it finds with it, and how far its accuracy is off.

Looks are simulated from what a real champion says of real images: CIFAR-10's test images, 14 corruptions of
them, and photos of flowers, which are none of its classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.champions import kept_champion
from benchmarks.record import table, write_section
from benchmarks.robustness import read_flowers
from vision.calibration import calibrate_classifier
from vision.classifier import ImageClassifier
from vision.config import CalibrateConfig
from vision.drift.accuracy import estimate_accuracy
from vision.drift.answering import Answering
from vision.drift.detection import detect
from vision.drift.embedding import embed
from vision.drift.profile import Profile
from vision.drift.properties import Properties, measure_properties
from vision.image_array import Pixels
from vision.intervals import wilson_interval
from vision.operation_config import MonitorConfig
from vision.prepared import PreparedImages
from vision.robustness.corruptions import CORRUPTIONS, corrupt
from vision.robustness.evaluation import draw_images
from vision.runtimes import Logits
from vision.task import Labels

NAME = "cifar10-fast"
CONFIG = MonitorConfig()
LOOKS, REPEATS = 1000, 100
REFERENCE, ANSWERS, JUDGED = 2000, (200, 500, 1000), 100
CORRUPTED = (("brightness", 1), ("jpeg_compression", 1), ("fog", 1), ("fog", 3), ("gaussian_noise", 1))
MOVED = (0.15, 0.2, 0.3)  # shares of one class, of ten that are equal
NEW = (0.02, 0.05, 0.1, 0.2)  # shares of flowers
IMAGES, ESTIMATED_IMAGES = 2000, 600
SEVERITIES = (1, 3, 5)

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Pool:
    """What is known of some images, so that looks are draws of rows; label -1 is no class of the model's."""

    logits: Logits
    labels: Labels
    embeddings: NDArray[np.float32]
    properties: Properties

    def __add__(self, other: Pool) -> Pool:
        return Pool(
            np.concatenate([self.logits, other.logits]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.embeddings, other.embeddings]),
            {
                name: np.concatenate([self.properties[name], other.properties[name]])
                for name in self.properties
            },
        )


def main(looks: int = LOOKS, repeats: int = REPEATS, answers: tuple[int, ...] = ANSWERS) -> None:
    write_section("drift", measure(looks, repeats, answers))


def measure(looks: int, repeats: int, answers: tuple[int, ...]) -> str:
    """The tables, of so many clean looks and so many of each kind of drift."""
    champion, prepared = kept_champion(NAME)
    if champion.uncertainty is None:  # of before there were rules of doubt
        champion = calibrate_classifier(champion, prepared.labelled("validation"), CalibrateConfig(), seed=0)
    looking = Looking(champion, prepared)
    return "\n\n".join(
        (looking.false_alarms(looks), looking.power(repeats, answers), looking.accuracy_errors())
    )


class Looking:
    """A champion, and the test and validation images that it has answered."""

    def __init__(self, champion: ImageClassifier, prepared: PreparedImages) -> None:
        self._champion = champion
        self._images, self._labels = prepared.images("test")[:], prepared.labels("test")
        self._test = self._pool(self._images, self._labels)
        chosen = draw_images(prepared.labels("validation"), REFERENCE, seed=0)
        validation = prepared.images("validation")[chosen]
        pool = self._pool(validation, prepared.labels("validation")[chosen])
        self._reference = self._profile(pool, np.arange(len(chosen)), kept=len(chosen), judged=len(chosen))

    def false_alarms(self, looks: int) -> str:
        kinds: dict[str, Callable[[np.random.Generator], tuple[Profile, Rows]]] = {
            "drawn anew for each look": self._fresh_reference,
            "the validation images, as in service": lambda _: (self._reference, np.arange(len(self._labels))),
        }
        rows = []
        for name, draw in kinds.items():
            alarms = 0
            for seed in range(looks):
                random = np.random.default_rng(seed)
                reference, free = draw(random)
                current = self._look(self._test, random.choice(free, ANSWERS[-1], replace=False))
                alarms += detect(reference, current, CONFIG, seed=seed).is_drift
            share = wilson_interval(alarms, looks)
            interval = f"{100 * share.low:.1f} to {100 * share.high:.1f} %"
            rows.append(
                (name, looks, f"{100 * CONFIG.false_alarms:g} %", f"**{100 * share.value:.1f} %**", interval)
            )
        return table(("reference", "clean looks", "allowed", "false alarms", "95 % interval"), rows)

    def power(self, repeats: int, answers: tuple[int, ...]) -> str:
        """Shares of looks that found the drift."""
        rows = []
        for name, pool, chances in self._drifts():
            found = [self._found(pool, chances, count, repeats) for count in answers]
            rows.append((name, *(f"{100 * share:.0f} %" for share in found)))
        head = [f"{count:,} answers, {count // 2} images" for count in answers]
        return table((f"drift (share of {repeats} looks that found it)", *head), rows)

    def accuracy_errors(self) -> str:
        """Mean absolute errors, in points, of accuracy estimated without labels."""
        rows = np.sort(np.random.default_rng(0).choice(len(self._images), ESTIMATED_IMAGES, replace=False))
        table_rows = []
        for severity in SEVERITIES:
            looks = [self._corrupted(name, severity, rows) for name in CORRUPTIONS]
            found = [estimate_accuracy(self._reference, look, seed=0) for look in looks]
            true = [float(look.right.mean()) for look in looks]
            table_rows.append(
                (
                    severity,
                    f"{100 * fmean(true):.1f}",
                    _error([each.estimated.value for each in found], true),
                    _error([each.mean_confidence.value for each in found], true),
                )
            )
        head = (
            "severity of 14 corruptions",
            "mean accuracy, %",
            "ATC off by, points",
            "mean confidence off by",
        )
        return table(head, table_rows)

    def _drifts(self) -> list[tuple[str, Pool, NDArray[np.float64]]]:
        """Name, the images, and the chance of each to be drawn."""
        test, drifts = self._test, []
        rows = draw_images(self._labels, IMAGES, seed=0)  # in their order, the first are all of one class
        for name, severity in CORRUPTED:
            images = self._corrupt(name, severity, rows)
            pool = self._pool(images, self._labels[rows])
            drifts.append((f"{name.replace('_', ' ')}, severity {severity}", pool, np.ones(IMAGES)))
        is_first = test.labels == 0
        for share in MOVED:
            chances = np.where(is_first, share / is_first.sum(), (1 - share) / (~is_first).sum())
            drifts.append((f"one class: {100 * share:.0f} instead of 10 %", test, chances))
        strange = read_flowers(self._champion.preprocessing)
        both = test + self._pool(strange, np.full(len(strange), -1))
        for share in NEW:
            chances = np.where(both.labels < 0, share / len(strange), (1 - share) / len(test.labels))
            drifts.append((f"a new class: {100 * share:.0f} %", both, chances))
        return drifts

    def _found(self, pool: Pool, chances: NDArray[np.float64], answers: int, repeats: int) -> float:
        alarms = []
        for seed in range(repeats):
            random = np.random.default_rng(seed)
            rows = random.choice(len(chances), answers, replace=False, p=chances / chances.sum())
            alarms.append(detect(self._reference, self._look(pool, rows), CONFIG, seed=seed).is_drift)
        return fmean(alarms)

    def _fresh_reference(self, random: np.random.Generator) -> tuple[Profile, Rows]:
        rows = random.permutation(len(self._labels))
        used, free = rows[:REFERENCE], rows[REFERENCE:]
        return self._profile(self._test, used, kept=REFERENCE, judged=REFERENCE), free

    def _look(self, pool: Pool, rows: Rows) -> Profile:
        return self._profile(pool, rows, kept=len(rows) // 2, judged=JUDGED)

    def _corrupted(self, name: str, severity: int, rows: Rows) -> Profile:
        logits = self._champion.logits(self._corrupt(name, severity, rows))
        pool = Pool(logits, self._labels[rows], np.zeros((0, 0), np.float32), {})
        return self._profile(pool, np.arange(len(rows)), kept=0, judged=len(rows))

    def _corrupt(self, name: str, severity: int, rows: Rows) -> Pixels:
        return np.stack([corrupt(image, name, severity=severity, seed=0) for image in self._images[rows]])

    def _pool(self, images: Pixels, labels: Labels) -> Pool:
        files = pd.DataFrame(dict.fromkeys(("width", "height", "size_bytes"), 32), index=range(len(images)))
        embeddings = embed(self._champion, images)
        return Pool(self._champion.logits(images), labels, embeddings, measure_properties(images, files))

    def _profile(self, pool: Pool, rows: Rows, *, kept: int, judged: int) -> Profile:
        champion, labels = self._champion, pool.labels[rows]
        judgement = champion.judge(pool.logits[rows])
        rules = champion.uncertainty
        sets = rules.sets if rules else None
        covered = judgement.sets[np.arange(len(rows)), labels] & (labels >= 0)
        return Profile(
            probabilities=judgement.probabilities,
            energy=judgement.energy,
            right=(judgement.probabilities.argmax(axis=1) == labels)[:judged],
            covered=covered[:judged] if sets else np.zeros(0, np.bool_),
            properties={name: values[rows[:kept]] for name, values in pool.properties.items()},
            embeddings=pool.embeddings[rows[:kept]],
            answering=Answering(champion.class_names, coverage=sets.coverage if sets else None),
        )


def _error(estimated: list[float], true: list[float]) -> str:
    return f"{100 * fmean(abs(one - other) for one, other in zip(estimated, true, strict=True)):.1f}"


if __name__ == "__main__":
    main()

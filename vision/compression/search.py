"""Which pruned, distilled and quantised classifiers are tried: Optuna's search for fast and accurate ones."""

from __future__ import annotations

import time
from itertools import product

import optuna
from optuna.trial import TrialState
from rich.console import Console

from vision.calibration import calibrate_probabilities
from vision.classifier import ImageClassifier, Probabilities
from vision.compression.candidate import Candidate, Failure, Place
from vision.compression.conversions import conversions
from vision.compression.data import CompressionData
from vision.compression.latency import paired_latency_ms
from vision.compression.variants import Variants
from vision.compression_config import CompressConfig
from vision.config import CalibrateConfig
from vision.errors import BundleError
from vision.exporting.parity import compare_answers
from vision.intervals import estimate_differences
from vision.metrics import measure

LONGEST_REASON = 300  # characters: what a converter says of an operation that it lacks can be pages
# In a small space the sampler draws places that it has drawn before.
DRAWS_A_TRIAL = 5


class Search:
    """Tries the trained network in every conversion, then `config.trials` other places within the time."""

    def __init__(
        self,
        original: ImageClassifier,
        data: CompressionData,
        config: CompressConfig,
        calibrate: CalibrateConfig,
    ) -> None:
        self._original, self._data, self._config, self._calibrate = original, data, config, calibrate
        self._before = original.predict(data.validation.images)
        self._conversions = {str(conversion): conversion for conversion in conversions(config)}
        self._expected: dict[tuple[str, float], Probabilities] = {}
        self._tried: dict[Place, Candidate | Failure] = {}
        self._reference: ImageClassifier | None = None

    def run(self) -> list[Candidate | Failure]:
        """What was tried, in that order."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=self._data.seed)
        study = optuna.create_study(directions=("minimize", "minimize"), sampler=sampler)
        with Variants(self._original, self._data, self._config) as variants:
            shares, names = (0.0, *self._config.prune.shares), list(self._conversions)
            plain = list(product(variants.untaught, shares[:1], names))
            whole = dict.fromkeys((*plain, *product((*variants.untaught, *variants.students), shares, names)))
            goal = min(len(plain) + self._config.trials, len(whole))
            for student, pruned, name in whole if goal == len(whole) else plain:
                study.enqueue_trial({"student": student, "pruned": pruned, "conversion": name})
            self._fill(study, variants, plain=len(plain), goal=goal)
        return list(self._tried.values())

    def _fill(self, study: optuna.Study, variants: Variants, *, plain: int, goal: int) -> None:
        """The first `plain` trials are ended however long they take."""
        students = [*variants.untaught, *variants.students]
        started = time.monotonic()
        for _ in range(DRAWS_A_TRIAL * goal):
            seconds = time.monotonic() - started
            is_late = seconds > 60 * self._config.minutes and len(self._tried) >= plain
            if is_late or len(self._tried) >= goal:
                return
            trial = study.ask()
            place = self._draw(trial, students)
            if place not in self._tried:
                self._tried[place] = self._try(place, variants)
                self._say(self._tried[place], goal=goal, seconds=time.monotonic() - started)
            _tell(study, trial, self._tried[place])

    def _draw(self, trial: optuna.Trial, students: list[str]) -> Place:
        student = trial.suggest_categorical("student", students)
        pruned = trial.suggest_categorical("pruned", [0.0, *self._config.prune.shares])
        conversion = trial.suggest_categorical("conversion", list(self._conversions))
        return Place(student, pruned, self._conversions[conversion])

    def _try(self, place: Place, variants: Variants) -> Candidate | Failure:
        """An error that the place caused is an answer as well: the search goes on elsewhere."""
        try:
            source = variants.convertible(place.student, place.pruned)
            return self._measured(place, source.to(place.conversion), source.classifier)
        except Exception as error:  # of converters: whatever they do not know; of pruning: layers
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST_REASON]}"
            return Failure(place, reason)

    def _measured(self, place: Place, converted: ImageClassifier, network: ImageClassifier) -> Candidate:
        """Judged as it would serve: with probabilities and thresholds of its own."""
        images, labels = self._data.validation.images, self._data.validation.labels
        logits = converted.logits(images)
        self._check_parity(place, network, network.to_probabilities(logits), converted.runtime.precision)
        classifier = calibrate_probabilities(converted, logits, labels, self._calibrate, seed=self._data.seed)
        after, thresholds = classifier.to_probabilities(logits), classifier.thresholds
        gains = estimate_differences(
            labels, self._before, after,
            thresholds=(self._original.thresholds, thresholds), metrics=("accuracy",), seed=self._data.seed,
        )  # fmt: skip
        self._reference = self._reference or classifier
        own, others = paired_latency_ms([classifier, self._reference], images[:1])
        accuracy = measure("accuracy", labels, after, thresholds=thresholds)
        return Candidate(place, classifier, network, accuracy, gains["accuracy"], slowness=own / others)

    def _check_parity(
        self, place: Place, network: ImageClassifier, received: Probabilities, precision: str
    ) -> None:
        """BundleError where the conversion does not answer as its network: it is no candidate, however right.

        Here and not at registration, where few images would decide what only many can: fewer bits are judged
        by their mean.
        """
        key = place.student, place.pruned
        if key not in self._expected:
            self._expected[key] = network.predict(self._data.validation.images)
        parity = compare_answers(self._expected[key], received, precision=precision)
        if not parity.ok:
            raise BundleError(
                f"the {parity.judged} difference of its probabilities from the network's is"
                f" {parity.difference:.3g}, at most {parity.tolerance:g} is allowed in {precision}"
            )

    def _say(self, outcome: Candidate | Failure, *, goal: int, seconds: float) -> None:
        done, limit = len(self._tried), 60 * self._config.minutes
        left = min(seconds / done * (goal - done), max(0, limit - seconds))
        Console(stderr=True).print(
            f"compress: {done} of {goal}: {outcome.place}: {_words(outcome)}; about {left:.0f} s left",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


def _words(outcome: Candidate | Failure) -> str:
    if isinstance(outcome, Failure):
        return outcome.reason
    accuracy = f"accuracy {outcome.accuracy:.4f} ({100 * outcome.gain.value:+.2f} points)"
    return f"{accuracy}, {outcome.slowness:.2f} of the first's time"


def _tell(study: optuna.Study, trial: optuna.Trial, outcome: Candidate | Failure) -> None:
    if isinstance(outcome, Failure):
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, (outcome.slowness, outcome.highest_drop_points))

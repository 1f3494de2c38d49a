"""Whose turn a trial is: hosts that share a study draw one at a time, and take over from one that died.

Optuna's heartbeats say who lives. Its `optimize` would begin them, but it lets hosts draw more trials than
were asked for; so trials are asked for here, and this host beats for those that it has.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import optuna
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from vision import tuning_storage
from vision.tuning_parameters import TrialRecord
from vision.tuning_storage import alone, as_meant, is_shared
from vision.tuning_study import end_trial, ended_trials, repeat_trial
from vision.tuning_trial import Outcome

logger = logging.getLogger("sightline.tuning")
Errors = (SQLAlchemyError, optuna.exceptions.OptunaError)


@dataclass(frozen=True)
class TrialQueue:
    """The trials of a study as this host sees them; `mine` are the numbers of those that run here."""

    study: optuna.Study
    storage: RDBStorage
    mine: set[int] = field(default_factory=set)

    def next(self, trials: int) -> optuna.Trial | None:
        """The next one to train; None while all hosts together have ended and begun `trials`."""
        with self._alone(), as_meant():
            fail_stale_trials(self.study)
            if len(ended_trials(self.study)) + len(self._running()) >= trials:
                return None
            self._beat_for_waiting()
            trial = self.study.ask()
            self.mine.add(trial.number)
        return trial

    def end(self, trial: optuna.Trial, outcome: Outcome) -> TrialRecord | None:
        """What is remembered of it; None where it was given to another host, since this one fell silent."""
        with self._alone():
            return end_trial(self.study, trial, outcome) if self._is_still_mine(trial.number) else None

    def repeat(self, trial: optuna.Trial) -> None:
        """Its process died: it waits to be tried again, by any host."""
        with self._alone():
            if self._is_still_mine(trial.number):
                repeat_trial(self.study, self.storage, trial.number)

    def has_others(self) -> bool:
        """Whether other hosts train, of which one may die."""
        return is_shared(self.storage.url) and bool(self._running() - self.mine)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Inside, other hosts can tell that this one lives."""
        if not is_shared(self.storage.url):
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat_until(self, over: threading.Event) -> None:
        while not over.wait(tuning_storage.HEARTBEAT_SECONDS):
            for number in tuple(self.mine):
                try:
                    self._beat(number)
                except Errors as error:  # the database may be back before the others lose patience
                    logger.warning("no heartbeat for trial %d: %s", number, error)

    def _beat_for_waiting(self) -> None:
        """A trial has its first heartbeat before it runs: of one without any, nobody could tell its death."""
        if not is_shared(self.storage.url):
            return
        if not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self.study.enqueue_trial({})  # the sampler draws all of its values
        for waiting in self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))[:1]:
            self._beat(waiting.number)

    def _beat(self, number: int) -> None:
        study = self.storage.get_study_id_from_name(self.study.study_name)
        self.storage.record_heartbeat(self.storage.get_trial_id_from_study_id_trial_number(study, number))

    def _is_still_mine(self, number: int) -> bool:
        self.mine.discard(number)
        return number in self._running()

    def _running(self) -> set[int]:
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return {trial.number for trial in trials}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with alone(self.storage.url, self.study.study_name):
            yield

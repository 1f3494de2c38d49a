"""Search for settings: one process of each host draws values and ends trials; workers train."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future

import optuna
from rich.console import Console

from vision.errors import ConfigError
from vision.search_space import suggest
from vision.training_config import TuneConfig
from vision.tuning_parameters import BestParameters, TrialRecord
from vision.tuning_queue import TrialQueue
from vision.tuning_storage import WHERE, is_shared, open_storage
from vision.tuning_study import best_parameters, ended_trials, open_study, shown
from vision.tuning_trial import Outcome, Search, train_trial
from vision.worker_pool import WorkerPool

TrialLog = Callable[[TrialRecord, Outcome], None]
# A trial of another host may be given back meanwhile.
SECONDS_BETWEEN_LOOKS = 5.0


def tune_training(
    search: Search, *, study_name: str, storage: str, on_trial: TrialLog = lambda record, outcome: None
) -> BestParameters:
    """The values with the highest validation score within `tune.epochs` epochs.

    `storage` is a database's URL, `study_name` is MODEL-DIGEST: the last search of that MODEL lends its best
    values. A study of the whole name goes on where it stopped, and a trial that was killed is tried again.
    In SQLite one search runs at a time; in PostgreSQL hosts share the trials, and `on_trial` hears of this
    one's. ConfigError where no trial could be trained, or the storage cannot be used.
    """
    _refuse_lonely(search.tune, storage)
    with open_storage(storage) as database:
        queue = TrialQueue(open_study(search, study_name, database), database)
        with queue.beating(), WorkerPool(search.tune) as pool:
            _run(queue, search, pool, on_trial)
        return best_parameters(queue.study, search.score)


def _run(queue: TrialQueue, search: Search, pool: WorkerPool, on_trial: TrialLog) -> None:
    """Trains the trials that are left, and waits for those of other hosts while it may begin another."""
    tune = search.tune
    deadline = time.monotonic() + (tune.timeout_seconds or float("inf"))
    running: dict[Future[Outcome], optuna.Trial] = {}
    while True:
        while pool.has_room and time.monotonic() < deadline and (trial := queue.next(tune.trials)):
            values = suggest(trial, tune.space, search.settings)
            running[pool.submit(train_trial, search, trial, values)] = trial
        if running:
            for future in pool.wait(SECONDS_BETWEEN_LOOKS):
                _end(queue, search, running.pop(future), future, on_trial)
        elif time.monotonic() < deadline and queue.has_others():
            time.sleep(SECONDS_BETWEEN_LOOKS)
        else:
            return


def _end(
    queue: TrialQueue, search: Search, trial: optuna.Trial, future: Future[Outcome], on_trial: TrialLog
) -> None:
    try:
        outcome = future.result()
    except BrokenExecutor:
        queue.repeat(trial)
        return
    except optuna.exceptions.UpdateFinishedTrialError:  # it was given to another host, see queue.end
        queue.mine.discard(trial.number)
        return
    record = queue.end(trial, outcome)
    if record is not None:
        on_trial(record, outcome)
        line = _line(queue.study, record, search)
        Console(stderr=True).print(line, soft_wrap=True, highlight=False, markup=False)


def _refuse_lonely(tune: TuneConfig, storage: str) -> None:
    if tune.engine == "ray" and not is_shared(storage):
        raise ConfigError(
            "config.tune.engine is ray, but trials on other hosts cannot report to a file of SQLite: allowed"
            f" is a PostgreSQL database; {WHERE}"
        )


def _line(study: optuna.Study, record: TrialRecord, search: Search) -> str:
    how = {
        "COMPLETE": f"{search.score} {record.value or 0:.4f}",
        "PRUNED": "stopped early",
        "FAIL": record.failure,
    }
    completed = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    best = f", best {study.best_value:.4f} (trial {study.best_trial.number})" if completed else ""
    count = f"{len(ended_trials(study))} of {search.tune.trials}"
    return f"search: {count}: trial {record.number} {how[record.state]}{best}; {shown(record.parameters)}"

"""Search for settings: one process draws values and ends trials, so their number is exact; workers train."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait

import optuna
from rich.console import Console

from vision.search_space import Values, suggest
from vision.tuning_parameters import BestParameters, TrialRecord
from vision.tuning_study import best_parameters, end_trial, ended_trials, open_study, repeat_trial, shown
from vision.tuning_trial import Outcome, Search, train_trial
from vision.tuning_workers import Worker, start_worker

TrialLog = Callable[[TrialRecord, Outcome], None]


def tune_training(
    search: Search, *, study_name: str, storage: str, on_trial: TrialLog = lambda record, outcome: None
) -> BestParameters:
    """The values with the highest validation score within `tune.epochs` epochs.

    `storage` is SQLite's URL, `study_name` is MODEL-DIGEST: the last search of that MODEL lends its best
    values. A study of the whole name goes on where it stopped, and a trial that was killed is tried again;
    one search at a time. ConfigError where no trial could be trained.
    """
    study = open_study(search, study_name, storage)
    console = Console(stderr=True)

    def end(trial: optuna.Trial, outcome: Outcome) -> None:
        record = end_trial(study, trial, outcome)
        on_trial(record, outcome)
        console.print(_line(study, record, search), soft_wrap=True, highlight=False, markup=False)

    workers = [start_worker(search.tune.processes) for _ in range(search.tune.processes)]
    try:
        _run(study, search, workers, end)
    finally:
        for worker in workers:
            worker.shutdown(kill_workers=True)
    return best_parameters(study, search.score)


def _run(
    study: optuna.Study, search: Search, workers: list[Worker], end: Callable[[optuna.Trial, Outcome], None]
) -> None:
    """Trains the trials that are left; a worker that died is replaced in `workers`."""
    tune = search.tune
    deadline = time.monotonic() + (tune.timeout_seconds or float("inf"))
    idle = list(range(len(workers)))
    running: dict[Future[Outcome], tuple[optuna.Trial, int]] = {}
    while True:
        while idle and len(ended_trials(study)) + len(running) < tune.trials and time.monotonic() < deadline:
            trial, place = study.ask(), idle.pop()
            values = suggest(trial, tune.space, search.settings)
            running[_submit(workers, place, search, trial, values)] = trial, place
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            trial, place = running.pop(future)
            idle.append(place)
            try:
                end(trial, future.result())
            except BrokenExecutor:
                repeat_trial(study, trial.number)
                workers[place] = start_worker(len(workers))


def _submit(
    workers: list[Worker], place: int, search: Search, trial: optuna.Trial, values: Values
) -> Future[Outcome]:
    try:
        return workers[place].submit(train_trial, search, trial, values)
    except BrokenExecutor:  # it died while it was idle
        workers[place] = start_worker(len(workers))
        return workers[place].submit(train_trial, search, trial, values)


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

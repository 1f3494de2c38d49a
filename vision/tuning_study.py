"""A search as a study of Optuna: how it is opened, how its trials end, what it found."""

from __future__ import annotations

import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from vision.errors import ConfigError
from vision.search_space import Values, fits, own_values
from vision.training_config import TuneConfig
from vision.tuning_parameters import BestParameters, SearchRecord, TrialRecord
from vision.tuning_storage import alone, as_meant, is_shared
from vision.tuning_trial import Outcome, Search
from vision.tuning_workers import MOST_ATTEMPTS

WARM_STARTS = 3
FAILURE = "failure"  # attribute of a trial
OPENED = "opened"  # attribute of a study: how often
FAILURES_SHOWN = 3


def open_study(search: Search, name: str, database: RDBStorage) -> optuna.Study:
    """The study of that name, made where there is none.

    In SQLite, where one search runs at a time, trials that run were killed, and wait to be tried again; in a
    database that is shared they may be those of another host.
    """
    with alone(database.url, name):
        study = _load(search, name, database)
        if not is_shared(database.url):
            for trial in study.get_trials(states=(TrialState.RUNNING,)):
                repeat_trial(study, database, trial.number)
    return study


def _load(search: Search, name: str, database: RDBStorage) -> optuna.Study:
    study = optuna.create_study(
        study_name=name,
        storage=database,
        direction="maximize",
        load_if_exists=True,
        pruner=_pruner(search.tune.pruner, search.epochs),
    )
    # With one seed for all, other hosts and a search that goes on would draw the same values again.
    opened = study.user_attrs.get(OPENED, 0)
    study.set_user_attr(OPENED, opened + 1)
    study.sampler = optuna.samplers.TPESampler(seed=search.plan.seed + opened + len(study.trials))
    if not study.trials:
        # The user's own values are the first trial: the search can only improve on them.
        study.enqueue_trial(own_values(search.tune.space, search.settings))
        for values in _earlier_best(name, database, search.tune) if search.tune.warm_start else ():
            study.enqueue_trial(dict(values), skip_if_exists=True)
    return study


def repeat_trial(study: optuna.Study, database: RDBStorage, number: int) -> None:
    """Ends a trial whose process died as the storage does with one of a dead host: it may wait once more."""
    trial = study.tell(number, state=TrialState.FAIL)
    give_back = database.get_heartbeat_stale_trial_callback()
    assert give_back is not None  # open_storage has set it
    give_back(study, trial)


def end_trial(study: optuna.Study, trial: optuna.Trial, outcome: Outcome) -> TrialRecord:
    if not (outcome.failure or outcome.is_pruned):
        return _record(study.tell(trial, max(outcome.curve)))
    if outcome.failure:
        # Pruned to Optuna all the same: its sampler learns from those, and would draw the like of a failed
        # trial again and again.
        trial.set_user_attr(FAILURE, outcome.failure)
    return _record(study.tell(trial, state=TrialState.PRUNED))


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Those that count: finished, pruned, failed by their own values or killed for the last time."""
    trials = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return [trial for trial in trials if trial.state != TrialState.FAIL or _attempt(trial) == MOST_ATTEMPTS]


def best_parameters(study: optuna.Study, score: str) -> BestParameters:
    """What the ended trials say; ConfigError where all of them failed."""
    records = tuple(_record(trial) for trial in ended_trials(study))
    completed = [record for record in records if record.state == "COMPLETE"]
    if not completed:
        if any(record.failure for record in records):
            raise ConfigError(_all_failed(records))
        return BestParameters(trials=len(records))
    best = max(completed, key=lambda record: (record.value or 0.0, -record.number))
    is_told_apart = len({record.value for record in completed}) > 1
    importances = optuna.importance.get_param_importances(study) if is_told_apart else {}
    return BestParameters(
        values=best.parameters,
        score=best.value,
        trials=len(records),
        search=SearchRecord(score=score, trials=records, importances=importances),
    )


def _pruner(name: str, epochs: int) -> optuna.pruners.BasePruner:
    """Epochs are counted from 1."""
    if name == "asha":  # Li et al. 2020; the scores of the first epochs are noise
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(1, epochs // 4))
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs)
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=2)
    return optuna.pruners.NopPruner()


def _earlier_best(name: str, database: optuna.storages.RDBStorage, tune: TuneConfig) -> list[Values]:
    """The best values of the last other search for this model, those that lie in the space."""
    started = {
        other.study_name: other.datetime_start
        for other in optuna.get_all_study_summaries(database)
        if other.study_name != name and _model_of(other.study_name) == _model_of(name)
    }
    known = {other: time for other, time in started.items() if time}
    if not known:
        return []
    last = optuna.load_study(study_name=max(known, key=lambda other: known[other]), storage=database)
    completed = last.get_trials(states=(TrialState.COMPLETE,))
    best = sorted(completed, key=lambda trial: (-trial.value, trial.number))[:WARM_STARTS]
    return [trial.params for trial in best if fits(trial.params, tune.space)]


def _model_of(study_name: str) -> str:
    return study_name.rpartition("-")[0]


def _attempt(trial: FrozenTrial) -> int:
    with as_meant():
        return len(RetryHeartbeatStaleTrialCallback.retry_history(trial)) + 1


def _record(trial: FrozenTrial) -> TrialRecord:
    failure = trial.user_attrs.get(FAILURE, "")
    if trial.state == TrialState.FAIL:
        failure = f"its process died {_attempt(trial)} times, most likely for lack of memory"
    return TrialRecord(
        number=trial.number,
        value=None if failure else trial.value,
        state="FAIL" if failure else trial.state.name,
        parameters=trial.params,
        failure=failure,
    )


def _all_failed(records: tuple[TrialRecord, ...]) -> str:
    reasons = "; ".join(
        f"trial {record.number} ({shown(record.parameters)}): {record.failure}"
        for record in records[:FAILURES_SHOWN]
    )
    return (
        f"none of the {len(records)} trials of the search could be trained: {reasons}; change"
        " config.tune.space, or set config.tune.trials: 0 to train with the values of the YAML"
    )


def shown(values: Values) -> str:
    """The values on one line."""
    return ", ".join(
        f"{path} {value:.3g}" if isinstance(value, float) else f"{path} {value}"
        for path, value in values.items()
    )

"""The search: it starts from the user's own values, prunes, goes on after a kill, and outlives bad values."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
from concurrent.futures import BrokenExecutor, wait
from pathlib import Path

import optuna
import psutil
import pytest

from tests.unit.tiny_search import STUDY, colours
from vision import tuning, tuning_trial
from vision.augmentation_policy import AugmentationPolicy
from vision.errors import ConfigError
from vision.model_config import ModelConfig
from vision.training.train import TrainingPlan
from vision.training_config import Range, TrainConfig, TuneConfig
from vision.tuning import tune_training
from vision.tuning_parameters import BestParameters
from vision.tuning_study import MOST_ATTEMPTS
from vision.tuning_trial import Outcome, Search
from vision.tuning_workers import THREADS, start_worker

OFF = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, shift=0, brightness=0)
RATE = "train.learning_rate"
SPACE = {RATE: Range(low=1e-4, high=1e-1, log=True), "train.optimizer": ("adam", "sgd")}
OWN = {RATE: 0.005, "train.optimizer": "adam"}
ROOT = Path(__file__).resolve().parents[2]


def make_search(trials=3, **tune):
    plan = TrainingPlan(
        model=ModelConfig(name="residual", options={"filters": 4, "stages": 1, "blocks": 1}),
        train=TrainConfig(batch_size=16, learning_rate=OWN[RATE]),
        policy=OFF,
        seed=1,
    )
    settings = TuneConfig(**{"epochs": 2, "space": SPACE, "trials": trials, **tune})
    return Search(colours(48, 0), colours(16, 1), 2, plan, settings)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """Optuna's tables, which take a second to make."""
    path = tmp_path_factory.mktemp("optuna") / "optuna.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}")
    return path


@pytest.fixture
def storage(tmp_path, empty_database):
    return f"sqlite:///{shutil.copy(empty_database, tmp_path)}"


@pytest.fixture
def faked(monkeypatch):
    """Trials that train nothing: the rate is the score, except where a test says otherwise."""

    def use(train=lambda search, trial, values: Outcome([values[RATE]])):
        monkeypatch.setattr(tuning, "train_trial", train)

    use()
    return use


def run(storage, search=None, study=STUDY):
    """What the search found, and the record of each trial that it trained."""
    records = []
    best = tune_training(
        search or make_search(),
        study_name=study,
        storage=storage,
        on_trial=lambda record, outcome: records.append(record),
    )
    return best, records


def states(storage, study=STUDY):
    return [trial.state.name for trial in optuna.load_study(study_name=study, storage=storage).trials]


def test_search_begins_with_the_users_own_values(storage, faked):
    best, records = run(storage, make_search(trials=1))
    assert records[0].parameters == pytest.approx(OWN)
    assert (best.values, best.score, best.trials) == (pytest.approx(OWN), pytest.approx(0.005), 1)


def test_best_trial_wins_and_all_are_told(storage, faked):
    best, records = run(storage, make_search(trials=4))
    assert best.score == max(record.value for record in records) == best.values[RATE]
    assert best.search.trials == tuple(records)
    assert best.search.score == "accuracy"
    assert set(best.search.importances) == set(SPACE)
    assert sum(best.search.importances.values()) == pytest.approx(1)


def test_equal_seeds_draw_equal_values(storage, faked):
    search = make_search(trials=5, warm_start=False)
    drawn = [
        [record.parameters for record in run(storage, search, study=study)[1]] for study in ("one", "other")
    ]
    assert drawn[0] == drawn[1]
    assert len({values[RATE] for values in drawn[0]}) == 5


def test_search_goes_on_where_it_stopped(storage, faked):
    run(storage, make_search(trials=1))
    best, records = run(storage, make_search(trials=3))
    assert [record.number for record in records] == [1, 2]
    assert best.trials == 3
    assert run(storage, make_search(trials=3)) == (best, [])


def test_killed_trial_is_tried_again_first(storage, faked):
    space = {RATE: optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)}
    killed = optuna.create_study(study_name=STUDY, storage=storage, direction="maximize").ask(space)
    _, records = run(storage, make_search(trials=1))
    assert states(storage) == ["FAIL", "COMPLETE"]
    assert records[0].parameters[RATE] == killed.params[RATE]


def test_trial_whose_process_dies_each_time_is_given_up(storage, faked):
    def die_of_own_rate(search, trial, values):
        if values[RATE] == OWN[RATE]:
            raise BrokenExecutor
        return Outcome([values[RATE]])

    faked(die_of_own_rate)
    best, records = run(storage, make_search(trials=2))
    assert states(storage) == ["FAIL"] * MOST_ATTEMPTS + ["COMPLETE"]
    assert len(records) == 1
    assert [trial.state for trial in best.search.trials] == ["FAIL", "COMPLETE"]
    assert f"died {MOST_ATTEMPTS} times" in best.search.trials[0].failure


def test_trial_that_fails_by_its_values_counts_and_does_not_end_the_search(storage, faked):
    def refuse_adam(search, trial, values):
        if values["train.optimizer"] == "adam":
            return Outcome([], failure="too large")
        return Outcome([0.5])

    faked(refuse_adam)
    best, records = run(storage, make_search(trials=4))
    assert (records[0].state, records[0].value, records[0].failure) == ("FAIL", None, "too large")
    assert (best.trials, len(records), best.values["train.optimizer"]) == (4, 4, "sgd")


def test_search_in_which_all_fail_says_why(storage, faked, capsys):
    faked(lambda *arguments: Outcome([], failure="the loss became nan in epoch 1"))
    with pytest.raises(ConfigError, match=r"none of the 3 trials .* nan in epoch 1.* config.tune.space"):
        run(storage)
    assert "search: 3 of 3: trial 2 the loss became nan" in capsys.readouterr().err


def test_broken_study_ends_the_search(storage, faked):
    def lose_storage(*arguments):
        raise optuna.exceptions.StorageInternalError

    faked(lose_storage)
    with pytest.raises(optuna.exceptions.StorageInternalError):
        run(storage)


def test_no_trial_begins_after_the_timeout(storage, faked):
    best, records = run(storage, make_search(trials=9, timeout_seconds=1e-9))
    assert (best, records) == (BestParameters(), [])


def test_best_of_the_last_search_for_the_model_are_tried_after_the_own_values(storage, faked):
    _, first = run(storage, make_search(trials=6))
    run(storage, make_search(trials=1), study="other-model-000000000002")
    _, records = run(storage, make_search(trials=4), study="colours-000000000003")
    best = sorted(first, key=lambda record: -record.value)[:3]
    expected = [OWN, *(record.parameters for record in best if record.parameters != OWN)]
    assert [record.parameters for record in records][: len(expected)] == expected


def test_earlier_values_outside_the_space_are_not_tried(storage, faked):
    run(storage, make_search(trials=4))
    narrow = {RATE: Range(low=0.2, high=0.3)}
    _, records = run(storage, make_search(trials=3, space=narrow), study="colours-000000000003")
    assert all(0.2 <= record.parameters[RATE] <= 0.3 for record in records)
    cold = make_search(trials=2, warm_start=False)
    _, records = run(storage, cold, study="colours-000000000004")
    assert len(states(storage, "colours-000000000004")) == len(records) == 2


@pytest.mark.parametrize("pruner", ["asha", "hyperband", "median", "none"])
def test_pruner_stops_hopeless_trials(pruner, storage, faked):
    """Each trial is worse than the one before it in every epoch."""

    def train(search, trial, values):
        score = 0.9 - 0.1 * trial.number
        for step in range(1, 5):
            trial.report(score, step=step)
            if trial.should_prune():
                return Outcome([score] * step, is_pruned=True)
        return Outcome([score])

    faked(train)
    best, records = run(storage, make_search(trials=6, epochs=4, pruner=pruner))
    pruned = [record.number for record in records if record.state == "PRUNED"]
    assert bool(pruned) == (pruner != "none")
    assert 0 not in pruned
    assert best.score == 0.9


def test_importances_of_equal_scores_are_unknown(storage, faked):
    faked(lambda *arguments: Outcome([0.5]))
    assert run(storage)[0].search.importances == {}


def test_real_trials_report_their_curve_and_survive_bad_values(storage, faked):
    """The own values learn, a huge rate gives no number, and one network is too large for the images."""
    faked(tuning_trial.train_trial)
    space = {RATE: (OWN[RATE], 1e30), "model.name": ("residual", "fast")}
    study = optuna.create_study(study_name=STUDY, storage=storage, direction="maximize")
    for rate, name in ((OWN[RATE], "residual"), (1e30, "residual"), (OWN[RATE], "fast")):
        study.enqueue_trial({RATE: rate, "model.name": name})
    outcomes = []
    best = tune_training(
        make_search(trials=3, space=space, pruner="none"),
        study_name=STUDY,
        storage=storage,
        on_trial=lambda record, outcome: outcomes.append(outcome),
    )
    assert len(outcomes[0].curve) == 2
    assert best.score == max(outcomes[0].curve)
    assert "the loss became" in outcomes[1].failure
    assert "Error" in outcomes[2].failure


def test_best_parameters_survive_json_and_are_put_in_place():
    best = BestParameters(values={RATE: 0.002, "augment.horizontal_flip": True, "train.accumulate": 2})
    assert BestParameters.model_validate_json(best.model_dump_json()) == best
    plan = make_search().plan
    model, train, policy = best.apply(plan.model, plan.train, plan.policy)
    assert (train.learning_rate, train.accumulate, train.batch_size) == (0.002, 2, 16)
    assert (model, policy.horizontal_flip) == (plan.model, True)
    assert BestParameters().apply(plan.model, plan.train, plan.policy) == (plan.model, plan.train, OFF)


def test_worker_that_dies_breaks_its_own_call_alone():
    first, second = start_worker(2), start_worker(2)
    try:
        threads = second.submit(os.getenv, THREADS[0])
        killed = first.submit(os.kill, first.submit(os.getpid).result(), signal.SIGKILL)
        wait([killed, threads])
        assert isinstance(killed.exception(), BrokenExecutor)
        assert threads.result() == str(max(1, (os.cpu_count() or 1) // 2))
    finally:
        first.shutdown(kill_workers=True)
        second.shutdown(kill_workers=True)


def workers_of(process):
    return [child for child in process.children() if "popen_loky" in " ".join(child.cmdline())]


@pytest.mark.slow  # each process imports Keras
def test_processes_share_the_trials_and_repeat_that_of_a_killed_one(storage):
    search, records = make_search(trials=4, processes=2, pruner="none"), []

    def kill_one(record, outcome):
        records.append(record)
        if len(records) == 1:
            workers_of(psutil.Process())[0].kill()

    best = tune_training(search, study_name=STUDY, storage=storage, on_trial=kill_one)
    assert best.trials == len(records) == 4
    assert sorted(states(storage)) in (["COMPLETE"] * 4, ["COMPLETE"] * 4 + ["FAIL"])
    assert all(record.state == "COMPLETE" and record.value > 0.4 for record in records)
    assert workers_of(psutil.Process()) == []


SCRIPT = """
import pickle, sys
from pathlib import Path
from vision.tuning import tune_training
search = pickle.loads(Path(sys.argv[1]).read_bytes())
tune_training(search, study_name="colours-000000000001", storage=sys.argv[2])
"""


@pytest.mark.slow
def test_killed_search_leaves_no_worker_and_goes_on(storage, tmp_path):
    search = make_search(trials=4, processes=2, pruner="none")
    (tmp_path / "search").write_bytes(pickle.dumps(search))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "search"), storage]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        next(line for line in process.stderr if line.startswith("search: 1 of 4"))
        workers = workers_of(psutil.Process(process.pid))
        process.kill()
    assert len(workers) == 2
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    best, records = run(storage, make_search(trials=4, pruner="none"))
    assert (best.trials, len(records)) in ((4, 3), (4, 2))  # a second one may have ended before the kill
    assert set(states(storage)) <= {"COMPLETE", "FAIL"}

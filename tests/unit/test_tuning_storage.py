"""Several hosts and one search: each trial once, that of a dead host again, and no password in a message."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
import yaml

from tests.registry.postgresql import postgresql
from tests.unit import tiny_search
from tests.unit.tiny_search import GRACE_SECONDS, OWN_RATE, RATE, STUDY, make_search
from vision import tuning, tuning_storage
from vision.config_file import load_config
from vision.errors import ConfigError
from vision.tuning import tune_training
from vision.tuning_storage import is_shared, open_storage, shown_address, storage_address
from vision.tuning_trial import Outcome

ROOT = Path(__file__).resolve().parents[2]
SECRET = "kd93-hf"
ADDRESS = f"postgresql+psycopg://ada:{SECRET}@127.0.0.1:1/searches"


def load(folder, storage):
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump({"parameters": {"config": {"tune": {"storage": storage}}}}))
    return load_config(file).tune.storage


def test_variable_comes_before_the_yaml_and_that_before_the_workspace(monkeypatch):
    assert storage_address(None, "sqlite:///own.db") == "sqlite:///own.db"
    assert storage_address("postgresql+psycopg://db/a", "sqlite:///own.db") == "postgresql+psycopg://db/a"
    monkeypatch.setenv(tuning_storage.VARIABLE, ADDRESS)
    assert storage_address("postgresql+psycopg://db/a", "sqlite:///own.db") == ADDRESS


def test_only_postgresql_is_shared():
    assert is_shared("postgresql+psycopg://db/searches")
    assert not is_shared("sqlite:////tmp/searches.db")


@pytest.mark.parametrize("storage", [None, "postgresql+psycopg://ada@db/a", "sqlite:////searches/a.db"])
def test_yaml_takes_addresses_without_password(storage, tmp_path):
    assert load(tmp_path, storage) == storage


@pytest.mark.parametrize(
    "storage",
    [ADDRESS, f"postgresql+psycopg://ada@db/a?password={SECRET}", f"mysql://ada:{SECRET}@db/a", SECRET],
)
def test_yaml_refuses_passwords_and_other_databases_without_repeating_them(storage, tmp_path):
    with pytest.raises(ConfigError, match=r"config\.tune\.storage: .*SIGHTLINE_TUNE_STORAGE") as raised:
        load(tmp_path, storage)
    assert SECRET not in str(raised.value)


def test_address_is_shown_without_what_may_be_secret():
    shown = shown_address(f"{ADDRESS}?sslpassword={SECRET}&host=/run")
    assert shown == "postgresql+psycopg://ada:***@127.0.0.1:1/searches"


def test_database_that_does_not_answer_is_named_without_its_password():
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1/searches failed.*config\.tune\.storage") as raised:
        open_storage(ADDRESS).__enter__()
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__


def test_ray_needs_a_database_that_hosts_share(tmp_path):
    search = make_search(1, engine="ray")
    with pytest.raises(ConfigError, match=r"config\.tune\.engine is ray.*PostgreSQL"):
        tune_training(search, study_name=STUDY, storage=f"sqlite:///{tmp_path}/optuna.db")


def test_each_opening_of_a_study_draws_other_values(tmp_path):
    """Hosts that begin together see equally many trials."""
    space = {RATE: optuna.distributions.FloatDistribution(0, 1)}
    with open_storage(f"sqlite:///{tmp_path}/optuna.db") as storage:
        first, second = (tuning.open_study(make_search(1), STUDY, storage) for _ in range(2))
        assert first.ask(space).params == {RATE: OWN_RATE}
        assert first.ask(space).params != second.ask(space).params


@pytest.fixture
def database():
    with postgresql() as address:
        yield address


@pytest.fixture
def impatient(monkeypatch):
    """And with trials that train nothing: the rate is the score."""
    tiny_search.be_impatient(monkeypatch.setattr)
    monkeypatch.setattr(tuning, "train_trial", lambda search, trial, values: Outcome([values[RATE]]))


class Host:
    """Another process that takes part in the search; `begun` exists once it trains."""

    def __init__(self, folder, database, *, trials, seconds_of_own, seconds=0.2):
        self.begun = folder / f"begun-{len(list(folder.iterdir()))}"
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "tests.unit.tiny_search", database, trials, self.begun]
        self.process = subprocess.Popen(
            [str(part) for part in (*command, seconds_of_own, seconds)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_until_it_trains(self):
        while not self.begun.exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.1)

    def found(self):
        out, err = self.process.communicate()
        assert self.process.returncode == 0, err
        return json.loads(out)


def trials_of(database):
    with open_storage(database) as storage:
        return optuna.load_study(study_name=STUDY, storage=storage).trials


@pytest.mark.slow  # PostgreSQL, and processes that import Keras
def test_hosts_share_the_trials_and_none_is_trained_twice(database, tmp_path):
    """One trial lasts longer than a dead host's would be waited for: its host lives, and keeps it."""
    hosts = [Host(tmp_path, database, trials=12, seconds_of_own=2 * GRACE_SECONDS, seconds=1) for _ in "ab"]
    found = [host.found() for host in hosts]
    assert sorted(found[0]["numbers"] + found[1]["numbers"]) == list(range(12))
    assert all(host["numbers"] for host in found)
    trials = trials_of(database)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 12
    assert len({trial.params[RATE] for trial in trials}) == 12
    best = max(trial.params[RATE] for trial in trials)
    assert [(host["score"], host["trials"]) for host in found] == [(best, 12)] * 2


@pytest.mark.slow
def test_trial_of_a_killed_host_is_trained_by_another(database, tmp_path, impatient):
    host = Host(tmp_path, database, trials=3, seconds_of_own=600)
    host.wait_until_it_trains()
    os.kill(host.process.pid, signal.SIGKILL)
    host.process.communicate()
    best = tune_training(make_search(3), study_name=STUDY, storage=database)
    assert best.trials == 3
    killed, *others = trials_of(database)
    assert (killed.state.name, killed.params[RATE]) == ("FAIL", OWN_RATE)
    assert [trial.state.name for trial in others] == ["COMPLETE"] * 3
    assert [trial.params[RATE] for trial in others].count(OWN_RATE) == 1


@pytest.mark.slow
def test_host_that_fell_silent_leaves_its_trial_to_the_others(database, tmp_path, impatient):
    host = Host(tmp_path, database, trials=2, seconds_of_own=1)
    host.wait_until_it_trains()
    os.kill(host.process.pid, signal.SIGSTOP)
    best = tune_training(make_search(2), study_name=STUDY, storage=database)
    os.kill(host.process.pid, signal.SIGCONT)
    assert host.found() == {"numbers": [], "score": best.score, "trials": 2}
    assert [trial.state.name for trial in trials_of(database)].count("COMPLETE") == 2


@pytest.mark.slow
def test_host_that_dies_between_drawing_and_its_first_heartbeat_loses_no_trial(database, impatient):
    """The trial's first heartbeat is older than the trial's life."""
    with open_storage(database) as storage:
        study = tuning.open_study(make_search(1), STUDY, storage)
        tuning.TrialQueue(study, storage).next(1)  # as if this host died now: nobody beats
    best = tune_training(make_search(1), study_name=STUDY, storage=database)
    assert (best.trials, best.values) == (1, {RATE: OWN_RATE})
    assert [trial.state.name for trial in trials_of(database)] == ["FAIL", "COMPLETE"]


@pytest.mark.slow
def test_database_of_another_optuna_is_refused(database):
    with open_storage(database) as storage, storage.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'v0.9.0.a'"))
    with pytest.raises(ConfigError, match="storage upgrade"):
        open_storage(database).__enter__()
    with warnings.catch_warnings():  # Optuna leaves the connection open on which it saw that
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()

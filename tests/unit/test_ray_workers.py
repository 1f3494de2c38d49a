"""Trials and folds on a Ray cluster of two nodes, one of which is killed: results as on one machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor

import numpy as np
import optuna
import pandas as pd
import psutil
import pytest
import tenacity
from PIL import Image
from pydantic import ValidationError

from tests.registry.postgresql import postgresql
from tests.unit.tiny_search import OFF, OWN_RATE, RATE, STUDY, make_search
from vision import worker_pool
from vision.bundle import sha256_file
from vision.config import Config
from vision.cross_validation.training import train_folds
from vision.errors import ConfigError, SightlineError
from vision.manifest import Manifest
from vision.model_config import ModelConfig
from vision.prepared import prepare_images
from vision.preprocessing import Preprocessing
from vision.ray_workers import VARIABLE, RayWorker, connect
from vision.training.train import TrainingPlan
from vision.training_config import TrainConfig
from vision.tuning import tune_training
from vision.tuning_storage import open_storage
from vision.tuning_workers import MOST_ATTEMPTS, THREADS
from vision.worker_pool import run_all
from vision.workers_config import WorkersConfig

ONE_MACHINE = WorkersConfig(processes=2)
ON_RAY = WorkersConfig(processes=2, engine="ray")
OBJECT_STORE_BYTES = 80 * 1024**2


def test_engines_are_told_where_one_is_unknown():
    for section in ("tune", "cross_validate"):
        with pytest.raises(ValidationError, match=rf"{section}\.engine\n.*'processes' or 'ray'"):
            Config.model_validate({section: {"engine": "spark"}})


def test_cluster_must_be_named(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ConfigError, match='RAY_ADDRESS is "", allowed is HOST:PORT'):
        connect()


@pytest.mark.parametrize("address", ["head", "ray://head:10001", ":6379", "head:port"])
def test_address_that_is_none_is_refused(address, monkeypatch):
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(ConfigError, match=f'RAY_ADDRESS is "{address}", allowed is HOST:PORT'):
        RayWorker(cpus=1, gpus=0)


def test_cluster_that_does_not_answer_is_told_at_once(monkeypatch):
    monkeypatch.setenv(VARIABLE, "127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 .*engine: processes"):
        connect()


class MortalWorker:
    """Dies of the items that it is told to, as often as `deaths` says."""

    def __init__(self, deaths):
        self.deaths = deaths

    def submit(self, function, item):
        future = worker_pool.Future()
        self.deaths[item] = self.deaths.get(item, 0) - 1
        if self.deaths[item] >= 0:
            future.set_exception(BrokenExecutor())
        else:
            future.set_result(function(item))
        return future

    def shutdown(self, *, kill_workers):
        pass


def test_item_whose_process_died_is_tried_again(monkeypatch):
    opened = []
    worker = MortalWorker({"b": MOST_ATTEMPTS - 1})
    monkeypatch.setattr(worker_pool, "open_worker", lambda config: opened.append(config) or worker)
    assert sorted(run_all(str.upper, "abc", ONE_MACHINE)) == ["A", "B", "C"]
    assert len(opened) == 2 + MOST_ATTEMPTS - 1


def test_item_whose_process_dies_each_time_ends_the_work(monkeypatch):
    worker = MortalWorker({"b": MOST_ATTEMPTS})
    monkeypatch.setattr(worker_pool, "open_worker", lambda config: worker)
    with pytest.raises(SightlineError, match=f"training b died {MOST_ATTEMPTS} times.*processes is 2"):
        list(run_all(str.upper, "abc", ONE_MACHINE))


def test_one_worker_does_items_in_their_order_and_only_as_they_are_asked_for():
    done = []
    results = run_all(lambda item: done.append(item) or item, range(3), WorkersConfig())
    assert next(results) == 0 and done == [0]
    assert list(results) == [1, 2]


class RayCluster:
    """A head without cores and two nodes of one core each, so that two trainings are on two nodes."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args=self._node(cpus=0))
        self.address = self._cluster.address

    def start_nodes(self):
        self._nodes = [self._cluster.add_node(**self._node(cpus=1)) for _ in range(2)]
        self._cluster.wait_for_nodes()

    def kill_a_node_when(self, has_begun=lambda: True):
        """In a thread, once both nodes train; a task that had not begun would be moved by Ray itself."""

        def watch():
            while not (self._tasks() == 2 and has_begun()):
                time.sleep(0.05)
            self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

        threading.Thread(target=watch, daemon=True).start()

    @staticmethod
    def _tasks():
        """Ray names a process after the task that runs in it."""
        return sum(map(is_task, psutil.Process().children(recursive=True)))

    def stop(self):
        import ray

        ray.shutdown()
        self._cluster.shutdown()

    @staticmethod
    def _node(*, cpus):
        return {"num_cpus": cpus, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}


def is_task(process):
    try:
        return process.name().startswith("ray::_call")
    except psutil.NoSuchProcess:
        return False


@tenacity.retry(stop=tenacity.stop_after_attempt(3), reraise=True)  # a node has 30 s to start, and no more
def start_cluster():
    cluster = RayCluster()
    try:
        cluster.start_nodes()
    except Exception:
        cluster.stop()
        raise
    return cluster


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = start_cluster()
    monkeypatch.setenv(VARIABLE, cluster.address)
    yield cluster
    cluster.stop()


@pytest.fixture
def opened(monkeypatch):
    """The workers that were opened: two, and one more for each that died."""
    opened, real = [], worker_pool.open_worker
    monkeypatch.setattr(worker_pool, "open_worker", lambda config: opened.append(config) or real(config))
    return opened


@pytest.mark.slow  # a Ray cluster takes half a minute, and so do processes that import Keras on it
@pytest.mark.timeout(900)
def test_worker_on_ray_gives_results_and_errors_and_dies_alone(cluster):
    first, second = RayWorker(cpus=1, gpus=0), RayWorker(cpus=1, gpus=0)
    assert first.submit(os.getpid).result() != os.getpid()
    assert first.submit(os.getenv, THREADS[0]).result() == "1"
    assert first.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() == ""
    with pytest.raises(ZeroDivisionError):
        first.submit(divmod, 1, 0).result()
    sleeping = second.submit(time.sleep, 5)
    with pytest.raises(BrokenExecutor):
        first.submit(os.kill, first.submit(os.getpid).result(), signal.SIGKILL).result()
        first.submit(signal.raise_signal, signal.SIGKILL).result()
    assert sleeping.result() is None
    endless = second.submit(time.sleep, 600)
    second.shutdown(kill_workers=True)
    assert endless.exception(timeout=30) is not None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_trainings_that_no_node_has_room_for_are_told(cluster, caplog):
    RayWorker(cpus=1, gpus=0)
    assert not caplog.records
    RayWorker(cpus=1, gpus=0.5)
    assert "no node of the Ray cluster has 1 cores and 0.5 GPUs: trainings wait" in caplog.text


COLOURS = ("blue", "green", "red")


@pytest.fixture
def photos(tmp_path):
    """60 noisy squares whose label is their colour, prepared on the disk that all nodes see."""
    random, rows = np.random.default_rng(0), []
    for number in range(60):
        pixels = random.integers(0, 150, (8, 8, 3))
        pixels[..., 2 - number % 3] += 100
        path = tmp_path / f"{number:04d}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        rows.append((path.name, COLOURS[number % 3], ("train", "validation")[number % 2], sha256_file(path)))
    table = pd.DataFrame(rows, columns=["path", "label", "split", "sha256"]).assign(group="")
    manifest = Manifest(str(tmp_path), table)
    return prepare_images(manifest, Preprocessing(image_size=(8, 8)), tmp_path / "prepared"), manifest


def fold_plan(epochs):
    train = TrainConfig(epochs=epochs, learning_rate=0.05, early_stopping_patience=None)
    return TrainingPlan(ModelConfig(name="reference_a"), train, OFF, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_folds_on_a_cluster_that_loses_a_node_are_those_of_one_machine(cluster, opened, photos, tmp_path):
    plan = fold_plan(epochs=40)
    expected = train_folds(*photos, plan, folds=3, workers=ONE_MACHINE)
    before, folder = len(opened), tmp_path / "checkpoints"
    cluster.kill_a_node_when()
    folds = []
    found = train_folds(
        *photos, plan, folds=3, checkpoint=folder, workers=ON_RAY, on_fold=lambda fold, _: folds.append(fold)
    )
    assert sorted(fold.fold for fold in folds) == [1, 2, 3]
    assert len(opened) - before > 2  # a training died and was begun again
    assert np.array_equal(found.number, expected.number)
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_trials_on_a_cluster_that_loses_a_node_score_as_on_one_machine(cluster, opened, tmp_path):
    rates = (OWN_RATE, 0.0001, 0.05)
    with postgresql() as database, open_storage(database) as storage:
        study = study_of(storage, rates)
        cluster.kill_a_node_when(lambda: is_reported(study))
        found = scores(database, len(rates), engine="ray")
        states = [trial.state.name for trial in study.trials]
    assert "FAIL" in states and states.count("COMPLETE") == len(rates)
    with open_storage(f"sqlite:///{tmp_path}/optuna.db") as storage:
        study_of(storage, rates)
        expected = scores(storage.url, len(rates), engine="processes")
    assert found == pytest.approx(expected, abs=1e-6)
    assert len(set(expected.values())) > 1


def study_of(storage, rates):
    """In which the rates wait, in this order."""
    study = optuna.create_study(study_name=STUDY, storage=storage, direction="maximize")
    for rate in rates:
        study.enqueue_trial({RATE: rate})
    return study


def scores(storage, trials, *, engine):
    """The score of each rate."""
    search = make_search(trials, engine=engine, processes=2, epochs=15)
    best = tune_training(search, study_name=STUDY, storage=storage)
    assert best.trials == trials
    return {trial.parameters[RATE]: trial.value for trial in best.search.trials}


def is_reported(study):
    """Whether a trial that runs has told an epoch's score."""
    running = study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    return any(trial.intermediate_values for trial in running)

"""Two workers that Ray starts on this machine train as one does; where one is killed, the run ends."""

import os
import signal

import numpy as np
import pytest

from tests.behaviour.coloured_noise import coloured_noise
from tests.unit.fit_on_two_workers import EVERYTHING, POLICY
from vision.errors import ConfigError, SightlineError
from vision.model_config import ModelConfig
from vision.prepared import prepare_images
from vision.preprocessing import Preprocessing
from vision.training import checkpoint, several_workers_ray
from vision.training.checkpoint import FILE
from vision.training.several_workers_callback import InStep
from vision.training.several_workers_cluster import OBJECT_STORE_BYTES
from vision.training.train import TrainingPlan, train_classifier
from vision.training_config import TrainConfig

pytestmark = [
    pytest.mark.slow,
    # Ray 2.60 sets its own deprecated settings as it is imported.
    pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning"),
]

TOLERANCE = 1e-5
MODEL = ModelConfig(name="residual", options={"filters": 4, "stages": 2})
LAST_EPOCH = 3
WORK = several_workers_ray.work


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Noise of 16 x 16 pixels, of which one channel is brighter; 70 and 33 images: neither is even."""
    splits = ["train"] * 70 + ["validation"] * 33 + ["test"] * 10
    manifest = coloured_noise(tmp_path_factory.mktemp("images"), splits, side=16)
    return prepare_images(manifest, Preprocessing(image_size=(16, 16)), tmp_path_factory.mktemp("prepared"))


@pytest.fixture(autouse=True)
def on_this_machine(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_worker_register_timeout_seconds", "300")  # 60 are few where others compute, too


def train(prepared, workers, **more):
    settings = TrainConfig(**EVERYTHING, first_size_share=0.5, workers=workers)
    return train_classifier(prepared, TrainingPlan(MODEL, settings, POLICY, seed=3), **more)


@pytest.fixture(scope="module")
def alone(prepared):
    """What one worker makes, in this process."""
    return train(prepared, 1)


def distance(first, second):
    weights = (classifier.runtime.model.get_weights() for classifier in (first, second))
    return max(float(np.abs(a - b).max()) for a, b in zip(*weights, strict=True))


def test_two_workers_end_with_the_weights_of_one(prepared, alone, tmp_path):
    epochs = []
    two, record = train(
        prepared, 2, checkpoint=tmp_path, on_epoch=lambda epoch, metrics: epochs.append(metrics["val_loss"])
    )
    one, record_alone = alone
    assert distance(one, two) < TOLERANCE
    assert record.accelerator.startswith("2 x 1 cores of ")
    assert record.history["val_loss"] == pytest.approx(record_alone.history["val_loss"], abs=1e-4)
    assert epochs == list(record.history["val_loss"])
    assert [path.name for path in tmp_path.iterdir()] == [FILE], "nothing of Ray's is left"


def be_killed(arguments):
    """A worker that writes each epoch; the second is killed as the last one begins."""
    checkpoint.SECONDS_BETWEEN_WRITES, checkpoint.SHARE_OF_TIME = 0.0, float("inf")
    InStep.on_epoch_begin = _die
    WORK(arguments)


def _die(self, epoch, logs=None):
    if (epoch, self._worker.place) == (LAST_EPOCH, 1):
        os.kill(os.getpid(), signal.SIGKILL)


def go_on(arguments):
    """A worker that has only the last epoch left."""
    InStep.on_epoch_begin = _refuse_earlier
    WORK(arguments)


def _refuse_earlier(self, epoch, logs=None):
    assert epoch == LAST_EPOCH


def test_killed_worker_ends_the_run_and_the_next_one_goes_on(prepared, alone, monkeypatch, tmp_path):
    monkeypatch.setattr(several_workers_ray, "work", be_killed)
    with pytest.raises(SightlineError, match=r"2 workers ended.*worker 1.*start it again"):
        train(prepared, 2, checkpoint=tmp_path)
    monkeypatch.setattr(several_workers_ray, "work", go_on)
    classifier, record = train(prepared, 2, checkpoint=tmp_path)
    assert distance(alone[0], classifier) < TOLERANCE
    assert record.epochs == LAST_EPOCH + 1


def fail(arguments):
    raise ConfigError("set config.train.nothing")


def test_mistake_that_workers_find_is_told_as_it_is(prepared, monkeypatch):
    monkeypatch.setattr(several_workers_ray, "work", fail)
    with pytest.raises(ConfigError, match=r"^set config\.train\.nothing$"):
        train(prepared, 2)


@pytest.fixture
def two_nodes(monkeypatch):
    """A Ray cluster that runs already: a head without cores, and two nodes of one core each."""
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    node = {"object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **node})
    for _ in range(2):
        cluster.add_node(num_cpus=1, **node)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield
    ray.shutdown()
    cluster.shutdown()


def test_workers_on_two_nodes_of_a_cluster_train_as_one(two_nodes, prepared, alone, tmp_path):
    classifier, _ = train(prepared, 2, checkpoint=tmp_path)
    assert distance(alone[0], classifier) < TOLERANCE

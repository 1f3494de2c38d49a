"""What one of several workers does with batches, gradients, batch norm, metrics; the exchange is a fake."""

import json
import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops
from pydantic import ValidationError

from tests.behaviour.tiny import MIXING, OFF, colours, linear
from vision.errors import ConfigError, OutOfMemory, SightlineError
from vision.model_config import ModelConfig
from vision.training import devices, several_workers_cluster
from vision.training.batches import OrderedBatches
from vision.training.checkpoint import FILE, Checkpoint
from vision.training.fit import fit_model
from vision.training.memory import with_smaller_batches
from vision.training.objective import build_objective
from vision.training.several_workers import (
    ALONE,
    Worker,
    share_batch_norm,
    share_gradients,
    this_worker,
    working_as,
)
from vision.training.several_workers_callback import check_same, draw_apart, refuse_uneven
from vision.training.several_workers_ray import train_on_workers
from vision.training.train import TrainingPlan, train_classifier
from vision.training.trainer import Trainer
from vision.training_config import TrainConfig

ROOT = Path(__file__).resolve().parents[2]
# Sums in another order: 2e-7 was seen after 16 steps, of weights up to 1.6.
TOLERANCE = 1e-5
SECONDS = 240


class Told:
    """In the place of an exchange: the other workers' sum of each tensor is what the test says."""

    def __init__(self, *others):
        self._others = list(others)

    def total(self, tensors):
        others = self._others.pop(0) if self._others else [0.0] * len(tensors)
        return [ops.convert_to_tensor(tensor) + other for tensor, other in zip(tensors, others, strict=True)]

    def add_up(self, variables):
        for variable, value in zip(variables, self.total([v.value for v in variables]), strict=True):
            variable.assign(value)


def test_workers_shares_of_a_batch_are_all_of_it():
    rows = np.arange(9)
    shares = [Worker(place, 3, Told()).own(rows).tolist() for place in range(3)]
    assert shares == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert ALONE.own(rows) is rows


@pytest.mark.parametrize(("images", "expected"), [(7, [[0, 1, 2], [3, 4], [5, 6]]), (2, [[0], [1], [0]])])
def test_workers_parts_are_all_images_and_none_is_empty(images, expected):
    assert [Worker(place, 3, Told()).part_of(images).tolist() for place in range(3)] == expected


def test_validation_of_two_workers_sees_each_image_once():
    images = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    seen = []
    for place in range(2):
        own = OrderedBatches(
            images, np.zeros((7, 3), np.float32), batch_size=2, worker=Worker(place, 2, Told())
        )
        seen += [number for at in range(len(own)) for number in own[at][0]["images"][:, 0, 0, 0].tolist()]
    assert seen == list(range(7))


def test_mean_is_over_workers_and_leaves_out_unused_variables():
    means = Worker(1, 4, Told([3.0, 7.0])).mean([np.float32(1.0), None, np.float32(5.0)])
    assert [None if mean is None else float(mean) for mean in means] == [1.0, None, 3.0]


def test_this_worker_is_alone_outside_of_the_block():
    with working_as(Worker(1, 2, Told())):
        assert (this_worker().place, this_worker().is_first) == (1, False)
    assert this_worker() == ALONE


def test_gradient_is_clipped_as_that_of_the_whole_batch():
    """(3, 0) and (0, 4) have the mean (1.5, 2), of norm 2.5; of each clipped the mean would be (.5, .5)."""
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=1.0)
    share_gradients(optimizer, Worker(0, 2, Told([np.float32([0.0, 4.0])])))
    variable = keras.Variable(np.zeros(2, np.float32))
    optimizer.apply([ops.convert_to_tensor(np.float32([3.0, 0.0]))], [variable])
    assert ops.convert_to_numpy(variable) == pytest.approx([-0.6, -0.8])


def test_batch_norm_has_the_moments_of_the_whole_batch():
    whole = np.random.default_rng(0).normal(3, 2, (8, 2, 2, 4)).astype(np.float32)
    own, other = whole[:4], whole[4:]
    mean, variance = other.mean(axis=(0, 1, 2)), other.var(axis=(0, 1, 2))
    network = keras.Sequential([keras.Input((2, 2, 4)), keras.layers.BatchNormalization(momentum=0.0)])
    share_batch_norm(network, Worker(0, 2, Told([np.stack([mean, variance + mean**2])])))
    normalised = ops.convert_to_numpy(network(own, training=True))
    expected = (own - whole.mean(axis=(0, 1, 2))) / np.sqrt(whole.var(axis=(0, 1, 2)) + 1e-3)
    assert normalised == pytest.approx(expected, abs=1e-5)
    assert network.layers[0].moving_variance.numpy() == pytest.approx(whole.var(axis=(0, 1, 2)), rel=1e-5)


def trainer_of(worker, policy=OFF):
    network = linear()
    objective = build_objective(TrainConfig(), colours(8, 0).labels, 3)
    with working_as(worker):
        return Trainer(network, policy, seed=1, objective=objective, optimizer=keras.optimizers.SGD(0.1))


def test_each_worker_trains_on_its_rows_of_the_batch_that_one_would_see():
    data = colours(8, 0)
    batch = {"images": data.images, "targets": np.eye(3, dtype=np.float32)[data.labels]}
    alone = trainer_of(ALONE, MIXING)(batch, training=True)
    shares = [trainer_of(Worker(place, 2, Told()), MIXING)(batch, training=True) for place in range(2)]
    for name in ("logits", "targets"):
        together = np.concatenate([ops.convert_to_numpy(share[name]) for share in shares])
        assert together == pytest.approx(ops.convert_to_numpy(alone[name]), abs=1e-6), name


def test_metrics_are_those_of_all_workers_images():
    """Two of four right here, all of four right there: six of eight."""
    alone = trainer_of(Worker(0, 2, Told()))
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    alone.compute_metrics(None, None, {"targets": targets, "logits": targets[[0, 1, 0, 1]]})
    others = [
        {"total": 4.0, "count": 4.0}.get(variable.name, 0.0) if "accuracy" in variable.path else 0.0
        for variable in alone.metrics_variables
    ]
    alone._worker = Worker(0, 2, Told(others))
    assert float(alone.get_metrics_result()["accuracy"]) == pytest.approx(6 / 8)


def test_workers_of_one_training_are_let_begin():
    check_same(Worker(0, 2, Told([np.float32([[0, 0], [5, 3]])])), [5.0, 3.0])


@pytest.mark.parametrize(("other", "named"), [([5, 0], "epoch 3, 0.*are the same"), ([6, 3], "differ")])
def test_workers_of_different_trainings_are_refused(other, named):
    with pytest.raises(SightlineError, match=rf"{named}.*SIGHTLINE_HOME"):
        check_same(Worker(0, 2, Told([np.float32([[0, 0], other])])), [5.0, 3.0])


def test_dropout_of_each_worker_draws_its_own_numbers_and_the_first_those_of_one():
    inputs = keras.Input((64,))
    network = keras.Model(inputs, keras.layers.Dropout(0.5, seed=3)(inputs))
    states = []
    for move in (0, 0, 1, -1):  # as it is; of the first worker; of the second; after its training
        draw_apart(network, move)
        states.append(ops.convert_to_numpy(network.variables[0]).tolist())
    assert states[0] == states[1] == states[3] == [3, 0]
    assert states[2] == [4, 0]


def test_only_the_first_worker_writes_checkpoints(tmp_path):
    callback = Checkpoint(tmp_path, "this", others=(), sizes=(8, 1), state=None)
    callback.set_model(
        SimpleNamespace(stop_training=True, variables=[], optimizer=SimpleNamespace(variables=[]))
    )
    callback.set_params({"epochs": 1})
    callback.on_train_begin()
    for place, expected in ((1, []), (0, [FILE])):
        with working_as(Worker(place, 2, Told())):
            callback.on_epoch_end(0)
        assert [path.name for path in tmp_path.iterdir()] == expected


def test_number_of_workers_may_change_between_runs(tmp_path):
    data = {"train": colours(16, 0), "validation": colours(8, 1)}
    runs = [
        fit_model(
            linear(), **data, policy=OFF, seed=3, checkpoint=tmp_path,
            config=TrainConfig(epochs=1, workers=workers, worker_cpus=workers),
        )
        for workers in (1, 4)
    ]  # fmt: skip
    assert runs[0].seconds == runs[1].seconds, "the second found the first one's checkpoint"


def test_checkpoint_of_a_batch_that_workers_cannot_share_is_refused():
    refuse_uneven(32, 32)
    with pytest.raises(ConfigError, match=r"batches of 32 images.*divides 32.*config\.train\.workers"):
        refuse_uneven(32, 30)


def test_batch_of_two_workers_is_even():
    with working_as(Worker(0, 2, Told())):
        assert [devices.shareable(size) for size in (33, 32, 2)] == [32, 32, 2]


def test_memory_of_one_worker_does_not_change_its_batches_alone():
    with working_as(Worker(0, 2, Told())), pytest.raises(OutOfMemory, match=r"one of 2 workers.*batch of 32"):
        with_smaller_batches(TrainConfig(workers=2), MemoryError())


def test_more_workers_than_images_of_a_batch_are_refused():
    with pytest.raises(ValidationError, match=r"5 workers.*batch of 4.*allowed are 1\.\.4.*train\.workers"):
        TrainConfig(batch_size=4, workers=5)


def plan_of(workers):
    return TrainingPlan(ModelConfig(name="residual"), TrainConfig(workers=workers), OFF, seed=1)


def test_callbacks_of_the_caller_are_refused_on_several_workers():
    with pytest.raises(ConfigError, match=r"workers is 2, but Callback.*config\.track\.tensorboard"):
        train_classifier(None, plan_of(2), callbacks=[keras.callbacks.Callback()])


def test_more_workers_than_training_images_are_refused():
    five = SimpleNamespace(labels=lambda split: np.zeros(5))
    with pytest.raises(ConfigError, match=r"workers is 6, but there are 5 training images"):
        train_on_workers(five, plan_of(6), checkpoint=None, on_epoch=print)


def test_several_workers_are_refused_on_jax(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ConfigError, match=r"workers is 2, but on jax there can be 1.*KERAS_BACKEND"):
        train_on_workers(None, plan_of(2), checkpoint=None, on_epoch=print)


def test_ray_that_fails_is_told_with_a_way_on(monkeypatch):
    from ray.exceptions import ActorUnschedulableError

    monkeypatch.setattr(several_workers_cluster, "_of_this_machine", lambda config: nullcontext())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with (
        pytest.raises(SightlineError, match=r"no room.*start the training again.*train\.workers"),
        several_workers_cluster.cluster(TrainConfig(workers=2)),
    ):
        raise ActorUnschedulableError("no room")


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def start(folder, place, count, addresses):
    task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": place}}
    own = {"TF_CONFIG": json.dumps(task)} if count > 1 else {}
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"} | own
    script = ROOT / "tests" / "unit" / "fit_on_two_workers.py"
    command = [sys.executable, "-W", "ignore", script, folder, str(place), str(count)]
    with (folder / f"{place}_of_{count}.log").open("w") as log:
        return subprocess.Popen(command, env=environment, stderr=log)


@pytest.fixture(scope="module")
def left_weights(tmp_path_factory):
    """A folder with the weights of one worker, and of two that are processes of their own."""
    folder, addresses = tmp_path_factory.mktemp("weights"), free_addresses(2)
    started = [start(folder, place, count, addresses) for place, count in ((0, 2), (1, 2), (0, 1))]
    try:
        ends = [process.wait(timeout=SECONDS) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert ends == [0, 0, 0], "\n".join(path.read_text() for path in folder.glob("*.log"))
    return folder


def weights_in(folder, name):
    with np.load(folder / f"{name}.npz") as stored:
        return [stored[each] for each in stored]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["no_batch_norm", "batch_norm", "everything"])
def test_two_processes_end_with_the_weights_and_curves_of_one(case, left_weights):
    one, first, second = (weights_in(left_weights, f"{case}_{each}") for each in ("1_0", "2_0", "2_1"))
    assert max(np.abs(a - b).max() for a, b in zip(one, first, strict=True)) < TOLERANCE
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)), "the two differ"

"""A training that is killed goes on to the very weights that it would have had."""

import logging
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.behaviour.tiny import MIXING, Batches, colours, convolutional, equal_weights, linear
from vision.training import checkpoint
from vision.training.checkpoint import FILE, TrainingState, fingerprint_of, read_state, write_state
from vision.training.fit import fit_model
from vision.training_config import TrainConfig

SAVEZ = np.savez
ROOT = Path(__file__).resolve().parents[2]
POLICY = MIXING.model_copy(update={"noise": 0.05, "erasing": 0.5})
# Everything that has a state: momentum, accumulated gradients, averages of weights, mixing, dropout, the
# curriculum, the patience of early stopping, which ends this training early.
CONFIG = TrainConfig(
    epochs=30,
    batch_size=16,
    optimizer="sgd",
    schedule="cosine",
    learning_rate=1.5,
    ema_decay=0.5,
    accumulate=2,
    curriculum_epochs=2,
    mixing_off_epochs=27,
    early_stopping_patience=3,
)


class Assassin(keras.callbacks.Callback):
    """Kills the process in the middle of the fourth epoch, or while its checkpoint is being written."""

    def __init__(self, moment):
        super().__init__()
        self._moment = moment
        self.steps = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        if (self._moment, epoch) == ("writing", 3):
            checkpoint.np.savez = self._write_half

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if (self._moment, self._epoch, batch) == ("training", 3, 1):
            os.kill(os.getpid(), signal.SIGKILL)

    def _write_half(self, file, **arrays):
        whole = BytesIO()
        SAVEZ(whole, **arrays)
        file.write(whole.getvalue()[: whole.tell() // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def train(folder, assassin, **more):
    model = convolutional(stages=2, dropout=0.3)
    data = {"train": colours(64, 0), "validation": colours(32, 1)}
    return fit_model(
        model, **data, policy=POLICY, config=CONFIG, seed=3, callbacks=[assassin], checkpoint=folder, **more
    )


@pytest.fixture(scope="module")
def unbroken():
    """It passes the epoch of the kill, and stops early."""
    result = train(None, Assassin("never"))
    assert 4 < result.epochs < CONFIG.epochs
    return result


@pytest.mark.parametrize("moment", ["training", pytest.param("writing", marks=pytest.mark.slow)])
def test_killed_training_goes_on_to_the_weights_of_an_unbroken_one(moment, unbroken, tmp_path):
    command = [sys.executable, "-W", "ignore", __file__, str(tmp_path), moment]
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    epochs, harmless = [], Assassin("never")
    resumed = train(tmp_path, harmless, on_epoch=lambda epoch, metrics: epochs.append(epoch))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert harmless.steps == (unbroken.epochs - 3) * (64 // CONFIG.batch_size)
    assert equal_weights(resumed.model, unbroken.model)
    assert resumed.history == unbroken.history
    assert epochs == list(range(unbroken.epochs))


def fit(folder, *, seed=3, train=None, build=linear, callbacks=(), **changes):
    config = TrainConfig(epochs=2, batch_size=16, **changes)
    data = {"train": train or colours(48, 0), "validation": colours(16, 1)}
    return fit_model(
        build(), **data, policy=MIXING, config=config, seed=seed, callbacks=callbacks, checkpoint=folder
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder and the result of a training that has ended."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, fit(folder, callbacks=[Batches()])


def test_finished_training_is_not_repeated(finished):
    folder, first = finished
    batches = Batches()
    again = fit(folder, callbacks=[batches])
    assert batches.seen == 0
    assert equal_weights(again.model, first.model)
    assert (again.history, again.seconds) == (first.history, first.seconds)
    assert again.images_per_second == first.images_per_second


def almost_the_same():
    data = colours(48, 0)
    data.images[29, 3, 5, 1] += 1  # one value of one image
    return data


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"learning_rate": 0.01},
        {"train": colours(47, 0)},
        {"train": almost_the_same()},
        {"build": lambda: linear(seed=4)},
    ],
    ids=["seed", "config", "number of images", "pixels", "weights at the beginning"],
)
def test_checkpoint_of_another_training_is_not_taken(finished, changes, caplog, tmp_path):
    (tmp_path / FILE).write_bytes((finished[0] / FILE).read_bytes())
    batches = Batches()
    with caplog.at_level(logging.WARNING, "sightline.training"):
        fit(tmp_path, callbacks=[batches], **changes)
    assert batches.seen > 0
    assert "the training starts anew" in caplog.text


STATE = TrainingState(
    next_epoch=2,
    batch_size=8,
    accumulate=4,
    variables=[np.arange(3, dtype=np.float32), np.array(7, np.uint32)],
    optimizer=[],
    remembered=[{"history": {"loss": [0.1, float("inf")]}, "best": None, "weights": [np.ones(2)]}],
)


def test_state_comes_back_as_it_was_written(tmp_path):
    write_state(tmp_path, "this", STATE)
    state = read_state(tmp_path, "this")
    assert (state.next_epoch, state.batch_size, state.accumulate, state.optimizer) == (2, 8, 4, [])
    assert [each.tolist() for each in state.variables] == [[0.0, 1.0, 2.0], 7]
    assert [each.dtype for each in state.variables] == [np.float32, np.uint32]
    assert state.history == {"loss": [0.1, float("inf")]}
    assert state.remembered[0]["best"] is None
    assert state.remembered[0]["weights"][0].tolist() == [1.0, 1.0]


def test_state_of_another_fingerprint_is_not_read(tmp_path, caplog):
    write_state(tmp_path, "this", STATE)
    assert read_state(tmp_path, "that") is None
    assert "of other settings" in caplog.text


@pytest.mark.parametrize("damage", ["empty", "cut", "altered"])
def test_damaged_state_is_not_read(damage, tmp_path, caplog):
    write_state(tmp_path, "this", STATE)
    content = (tmp_path / FILE).read_bytes()
    place = content.index(STATE.variables[0].tobytes())
    altered = content[:place] + b"\xff" + content[place + 1 :]
    (tmp_path / FILE).write_bytes({"empty": b"", "cut": content[:-100], "altered": altered}[damage])
    assert read_state(tmp_path, "this") is None
    assert "is damaged" in caplog.text


def test_folder_without_a_state_is_said_nothing_about(tmp_path, caplog):
    assert read_state(tmp_path / "nothing", "this") is None
    assert caplog.text == ""


def test_fingerprint_follows_from_settings_and_arrays():
    plain = fingerprint_of({"seed": 1}, [np.zeros(4)])
    assert plain == fingerprint_of({"seed": 1}, [np.zeros(4)])
    others = [fingerprint_of({"seed": 2}, [np.zeros(4)]), fingerprint_of({"seed": 1}, [np.zeros((2, 2))])]
    assert plain not in others


if __name__ == "__main__":
    checkpoint.SECONDS_BETWEEN_WRITES, checkpoint.SHARE_OF_TIME = 0.0, float("inf")
    train(Path(sys.argv[1]), Assassin(sys.argv[2]))

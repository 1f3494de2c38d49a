"""What workers do as a training begins: make sure that it is one and the same, and draw apart."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from vision.errors import ConfigError, SightlineError
from vision.training.several_workers import Worker

# Of a fingerprint: so many hexadecimal digits are a number that float32 holds exactly.
DIGITS = 6


class InStep(keras.callbacks.Callback):
    """The last of all callbacks, after the checkpoint has put back its state."""

    def __init__(self, network: keras.Model, worker: Worker, *, fingerprint: str, next_epoch: int) -> None:
        super().__init__()
        self._network, self._worker = network, worker
        self._begins_with = [float(int(fingerprint[:DIGITS] or "0", 16)), float(next_epoch)]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """SightlineError, on every worker, where their data, settings or checkpoints differ."""
        check_same(self._worker, self._begins_with)
        draw_apart(self._network, self._worker.place)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        draw_apart(self._network, -self._worker.place)  # the next phase begins alike


def check_same(worker: Worker, own: list[float]) -> None:
    """SightlineError, on every worker, where `own` is not what the others have."""
    table = np.zeros((worker.count, len(own)), np.float32)
    table[worker.place] = own
    assert worker.exchange is not None
    (whole,) = worker.exchange.total([table])
    everyone = ops.convert_to_numpy(whole)
    if (everyone != everyone[0]).any():
        epochs = [int(epoch) for epoch in everyone[:, -1]]
        raise SightlineError(
            f"the {worker.count} workers do not begin the same training: they would begin with epoch"
            f" {', '.join(map(str, epochs))}, and their images, settings or releases of the code"
            f" {'differ' if (everyone[:, 0] != everyone[0, 0]).any() else 'are the same'}; every node must"
            " see the same SIGHTLINE_HOME (a shared folder) and have the same environment"
        )


def refuse_uneven(batch_size: int, shareable: int) -> None:
    """Returns where the batch of a checkpoint, of which `shareable` images can be shared, can be."""
    if batch_size != shareable:
        raise ConfigError(
            f"the checkpoint is of a training in batches of {batch_size} images, which its workers or devices"
            f" cannot share equally: allowed is a number of them that divides {batch_size}; set"
            " config.train.workers, or remove the checkpoint"
        )


def draw_apart(network: keras.Model, by: int) -> None:
    """Moves the seeds of dropout and the like, so that each worker draws numbers of its own.

    Else the n-th image of every share had one mask. The first worker, whose state is what a checkpoint
    keeps, moves by 0 and draws as one alone.
    """
    for variable in network.variables:
        if variable.name == "seed_generator_state":
            seed, drawn = ops.convert_to_numpy(variable)
            variable.assign(np.array([(int(seed) + by) % 2**32, drawn], np.uint32))

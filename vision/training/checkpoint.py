"""What a killed training goes on from: one file, which the same call finds again.

It holds all that decides the future: weights, statistics, the states of random generators, the optimizer's
variables and what callbacks remember. One file, because it is then replaced in one step: a process killed
while it writes leaves the one before. No pickle; npz has a checksum for each array.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from vision.image_array import ImageArray, chunks
from vision.training.several_workers import this_worker

logger = logging.getLogger("sightline.training")

# Part of every fingerprint: raised where the same settings would train otherwise, or the file differs.
VERSION = 1
FILE = "training.npz"
# At most so much of a training is lost. With epochs of a second, writing at the end of each would cost more
# than it saves; with a network of a gigabyte the share bounds what is spent on writing.
SECONDS_BETWEEN_WRITES = 10.0
SHARE_OF_TIME = 0.02

# What Keras' callbacks carry from one epoch to the next; callbacks of ours name it in `remembered`.
REMEMBERED: dict[type, tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "best", "best_epoch", "best_weights", "stopped_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    keras.callbacks.History: ("epoch", "history"),
}

Arrays = list[NDArray[Any]]


@dataclass(frozen=True)
class TrainingState:
    """A training at the end of an epoch.

    `next_epoch` is counted from 0: as many as there are to be, where it has ended, early or not. `remembered`
    has the attributes of each callback.
    """

    next_epoch: int
    batch_size: int
    accumulate: int
    variables: Arrays
    optimizer: Arrays
    remembered: list[dict[str, Any]]

    @property
    def history(self) -> dict[str, list[float]]:
        """One value an epoch that has ended."""
        return next((attributes["history"] for attributes in self.remembered if "history" in attributes), {})


class Checkpoint(keras.callbacks.Callback):
    """Puts `state` back when the training begins, and keeps the folder's file up to date.

    The last of the callbacks, so that it sees what the `others` have done and undoes what they forget as
    they begin. A callback with a state names its attributes (numbers, texts, arrays; lists and dicts of
    them) in `remembered`. Of several workers, which have the same state, all read and the first writes.
    """

    def __init__(
        self,
        folder: Path,
        fingerprint: str,
        *,
        others: Sequence[keras.callbacks.Callback],
        sizes: tuple[int, int],
        state: TrainingState | None,
    ) -> None:
        super().__init__()
        self._folder, self._fingerprint, self._others = folder, fingerprint, others
        self._sizes, self._state = sizes, state

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._due = time.monotonic() + SECONDS_BETWEEN_WRITES
        if self._state is None:
            return
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        assign(self.model.variables, self._state.variables)
        assign(self.model.optimizer.variables, self._state.optimizer)
        for callback, attributes in zip(self._others, self._state.remembered, strict=True):
            for name, value in attributes.items():
                setattr(callback, name, value)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not this_worker().is_first:
            return
        ended = self.model.stop_training or epoch + 1 == self.params["epochs"]
        started = time.monotonic()
        if ended or started >= self._due:
            self._write(self.params["epochs"] if ended else epoch + 1)
            spent = time.monotonic() - started
            self._due = time.monotonic() + max(SECONDS_BETWEEN_WRITES, spent / SHARE_OF_TIME)

    def _write(self, next_epoch: int) -> None:
        batch_size, accumulate = self._sizes
        state = TrainingState(
            next_epoch,
            batch_size,
            accumulate,
            values_of(self.model.variables),
            values_of(self.model.optimizer.variables),
            [{name: getattr(callback, name) for name in _remembered(callback)} for callback in self._others],
        )
        write_state(self._folder, self._fingerprint, state)


def values_of(variables: Iterable[keras.Variable]) -> Arrays:
    """Copies in the host's memory."""
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: Sequence[keras.Variable], values: Arrays) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def fingerprint_of(settings: Mapping[str, Any], arrays: Iterable[NDArray[Any]], *images: ImageArray) -> str:
    """Hex sha256 of everything that a training follows from: settings, data, and where it runs.

    Every pixel counts, for one changed image makes another training: about a second a gigabyte.
    """
    runtime = [VERSION, keras.__version__, keras.backend.backend()]
    digest = hashlib.sha256(json.dumps([runtime, settings], sort_keys=True, default=str).encode())
    for array in chain(arrays, *map(chunks, images)):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_state(folder: Path, fingerprint: str, state: TrainingState) -> None:
    """Replaces the folder's file in one step."""
    arrays: Arrays = []
    content = json.dumps({"fingerprint": fingerprint, "state": _pack(vars(state), arrays)})
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{FILE}.part"  # the name is always the same, so a killed process leaves one at most
    with temporary.open("wb") as file:
        numbered = {str(place): value for place, value in enumerate(arrays)}
        np.savez(file, allow_pickle=False, content=np.array(content), **numbered)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / FILE)


def read_state(folder: Path, fingerprint: str) -> TrainingState | None:
    """The state of this very training; None, and a line in the log, where there is none to go on from."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            content = json.loads(str(stored["content"]))
            if content["fingerprint"] == fingerprint:
                state = TrainingState(**_unpack(content["state"], stored))
                logger.info("the training goes on after %d epochs, from %s", len(state.history["loss"]), path)
                return state
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        logger.warning("%s is damaged (%s): the training starts anew", path, error)
        return None
    logger.warning("%s is of other settings, images or software: the training starts anew", path)
    return None


def _remembered(callback: keras.callbacks.Callback) -> tuple[str, ...]:
    return REMEMBERED.get(type(callback), getattr(callback, "remembered", ()))


def _pack(value: Any, arrays: Arrays) -> Any:
    """`value` as JSON can have it, with its arrays moved into `arrays`."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, Mapping):
        return {"dict": {name: _pack(each, arrays) for name, each in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_pack(each, arrays) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if "array" in value:
            return arrays[str(value["array"])]
        return {name: _unpack(each, arrays) for name, each in value["dict"].items()}
    return [_unpack(each, arrays) for each in value] if isinstance(value, list) else value

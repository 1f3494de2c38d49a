"""The engines that can run a model, behind one small interface; a bundle names the one that it is for.

Nothing is imported until a runtime is opened, so the service loads only the engine of its bundle.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vision.errors import BundleError, one_of

Logits = NDArray[np.float32]
FeatureMaps = NDArray[np.float32]  # (N, h, w, C)

# Images that a runtime is given at a time: more would only hold more memory.
MAX_BATCH = 32
# Calls that met are likely to meet again: between them the others decode. Measured with 8 clients.
BUSY_SECONDS = 0.05


@runtime_checkable
class Runtime(Protocol):
    """A loaded model. Safe to call from several threads."""

    name: str
    precision: str

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        """Logits (N, K), float32, of images (N, H, W, 3), uint8 0..255; N >= 1."""

    def save(self, folder: Path) -> None:
        """Writes the model's files into the folder, under names of its own."""


@dataclass(frozen=True)
class SplitModel:
    """A model in two parts, so that an explanation can reach in between; both together are the model.

    `features`: images (N, H, W, 3), uint8 0..255 -> feature maps (N, h, w, C), as the model itself computes
    them, in int8 where it does. `head`: these -> logits (N, K), always in float32: a map of which all but
    one place is hidden averages to a few steps of int8.
    """

    features: Callable[[NDArray[np.uint8]], FeatureMaps]
    head: Callable[[FeatureMaps], Logits]


@runtime_checkable
class Splittable(Protocol):
    """What a runtime may have besides."""

    def split(self) -> SplitModel | None:
        """The two parts, made when first asked for; None where the model has no place to cut it at."""


def in_batches(
    run: Callable[[NDArray[Any]], NDArray[np.float32]], values: NDArray[Any], size: int = MAX_BATCH
) -> NDArray[np.float32]:
    """What `run` gives of each `size` rows, joined: (N, ...) float32 of values (N, ...), N >= 1."""
    return np.concatenate([run(values[start : start + size]) for start in range(0, len(values), size)])


class InFlight:
    """Counts the calls that run, so that one knows whether it has the processors to itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock, self._clock = threading.Lock(), clock
        self._calls = 0
        self._met = -BUSY_SECONDS  # when two calls were under way last

    @contextmanager
    def call(self) -> Iterator[bool]:
        """Counts one more inside; True where no other runs, nor will soon: none met another lately."""
        with self._lock:
            now = self._clock()
            if self._calls:
                self._met = now
            is_alone = now - self._met >= BUSY_SECONDS
            self._calls += 1
        try:
            yield is_alone
        finally:
            with self._lock:
                self._calls -= 1


def _lazy(module: str) -> Callable[[Path, str], Runtime]:
    def load(folder: Path, precision: str) -> Runtime:
        runtime: Runtime = import_module(module).load(folder, precision)
        return runtime

    return load


# name in bundle.json -> load(folder, precision)
RUNTIMES: dict[str, Callable[[Path, str], Runtime]] = {
    "keras": _lazy("vision.runtimes.keras_runtime"),
    "litert": _lazy("vision.runtimes.litert_runtime"),
    "openvino": _lazy("vision.runtimes.openvino_runtime"),
    # Exports, opened to be measured and compared; no bundle of the registry is for these.
    "onnx": _lazy("vision.runtimes.onnx_runtime"),
    "saved_model": _lazy("vision.runtimes.saved_model_runtime"),
}


def load_runtime(name: str, folder: Path, precision: str) -> Runtime:
    """The runtime of that name, with the model files of the folder."""
    if name not in RUNTIMES:
        raise BundleError(one_of("runtime", name, RUNTIMES, f'"runtime" in {folder}/bundle.json'))
    return RUNTIMES[name](folder, precision)

"""Several workers that train one network together: each has a copy of it, and its share of every batch.

All do what one alone would, in step with each other. Each reads and augments the whole batch, so that an
image is augmented, and mixed with the same other image, as one worker would; only then it goes on with its
own rows. What they exchange is gradients, the statistics of batch norm, and sums of metrics.
several_workers_exchange.py carries it, several_workers_ray.py starts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


class Exchange(Protocol):
    """How workers add up what each of them has; all call it, in the same order, or all wait for ever."""

    def total(self, tensors: Sequence[Any]) -> list[Any]:
        """The sum over workers of each tensor, with gradients; the same bits on each worker."""

    def add_up(self, variables: Sequence[keras.Variable]) -> None:
        """Replaces each variable by its sum over workers; does nothing while a step is being compiled."""


@dataclass(frozen=True)
class Worker:
    """One of `count` workers, counted from 0; `exchange` is None where it is the only one."""

    place: int = 0
    count: int = 1
    exchange: Exchange | None = None

    @property
    def is_first(self) -> bool:
        """The first writes checkpoints and reports."""
        return self.place == 0

    def own(self, rows: Any) -> Any:
        """Its share of an array or tensor: one of equal parts of the first axis, without what is over."""
        if self.exchange is None:
            return rows
        size = ops.shape(rows)[0] // self.count
        return rows[self.place * size : (self.place + 1) * size]

    def part_of(self, count: int) -> NDArray[np.intp]:
        """Which of so many rows it evaluates: all are shared out, nearly equally, and each worker has one."""
        parts = np.array_split(np.arange(count), self.count)
        return parts[self.place] if len(parts[self.place]) else np.arange(1)

    def mean(self, tensors: Sequence[Any]) -> list[Any]:
        """The mean over workers of each tensor; None stays None, as gradients of unused variables are."""
        if self.exchange is None:
            return list(tensors)
        there = [tensor for tensor in tensors if tensor is not None]
        means = iter([total / self.count for total in self.exchange.total(there)])
        return [None if tensor is None else next(means) for tensor in tensors]


ALONE = Worker()
_this: ContextVar[Worker] = ContextVar("worker", default=ALONE)


def this_worker() -> Worker:
    """Which worker this process is: the only one outside `working_as`."""
    return _this.get()


@contextmanager
def working_as(worker: Worker) -> Iterator[None]:
    """What is trained inside is trained together with the other workers, which do the same."""
    token = _this.set(worker)
    try:
        yield
    finally:
        _this.reset(token)


def share_gradients(optimizer: keras.optimizers.Optimizer, worker: Worker) -> None:
    """From now on it applies the mean of all workers' gradients.

    Before it clips, gathers or judges them: so that these see the gradient of the whole batch, and every
    worker's copy of the network stays the same. TensorFlow's own strategies clip before they add up.
    """
    apply = optimizer.apply

    def apply_mean(gradients: Sequence[Any], variables: Any = None) -> None:
        apply(worker.mean(gradients), variables)

    optimizer.apply = apply_mean


def share_batch_norm(network: keras.Model, worker: Worker) -> None:
    """From now on batch norm in training has the mean and the variance of the whole batch.

    Keras' `synchronized` is for networks built in a scope of tf.distribute, in which Keras 3.15 does not fit
    on several workers. The override lives in the object: it is not saved, and a rebuilt network has none.
    """
    for layer in network._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer._moments = _moments_of(layer, worker)


def _moments_of(layer: keras.layers.BatchNormalization, worker: Worker) -> Any:
    axes = [axis for axis in range(layer.input_spec.ndim) if axis != layer.axis % layer.input_spec.ndim]

    def moments(inputs: Any, mask: Any) -> tuple[Any, Any]:
        mean, variance = ops.moments(inputs, axes=axes)
        # Of equal shares. In one message; the squares that cancel are those of means, not of values.
        means, squares = ops.unstack(worker.mean([ops.stack([mean, variance + mean**2])])[0])
        return means, ops.maximum(squares - means**2, 0.0)

    return moments

"""Sums over workers by TensorFlow's collectives: gRPC between processors, NCCL between GPUs.

Of tf.distribute only the communication is used. Keras 3.15 cannot `fit` under MultiWorkerMirroredStrategy on
TensorFlow 2.21: it reduces nested batches at once (`ValueError: Attempt to convert a value ... with an
unsupported type (<class 'dict'>) to a Tensor`) and then scalars along an axis (`ValueError: Invalid reduction
dimension 0 for input with 0 dimensions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class TensorFlowExchange:
    """Between the processes that the variable TF_CONFIG names; made before anything else of TensorFlow."""

    def __init__(self) -> None:
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        self._compiled = tf.function(self._sum)  # outside a compiled step each exchange would be built anew

    def total(self, tensors: Sequence[Any]) -> list[Any]:
        @tf.custom_gradient
        def summed(*values: Any) -> tuple[Any, Any]:
            # A sum's part in the loss of all workers is what each of them says of it, added up.
            return self._exchange(values), lambda *upstream: self._exchange(upstream)

        return list(summed(*(tf.convert_to_tensor(tensor) for tensor in tensors)))

    def add_up(self, variables: Sequence[keras.Variable]) -> None:
        if tf.inside_function():
            return
        for variable, value in zip(variables, self.total([each.value for each in variables]), strict=True):
            variable.assign(value)

    def _exchange(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(self._sum(*values) if tf.inside_function() else self._compiled(*values))

    def _sum(self, *values: Any) -> Any:
        def on_this_worker(*own: Any) -> Any:
            # The copies lie on a device that has a name, without which TensorFlow refuses to reduce.
            placed = [tf.identity(value) for value in own]
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, placed)

        return self._strategy.run(on_this_worker, args=values)

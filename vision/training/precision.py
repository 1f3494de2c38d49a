"""In which precision a network computes: half of it where the device is faster so; weights stay float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

PROCESSOR = Path("/proc/cpuinfo")
# Flags of x86 processors that multiply bfloat16 themselves; without them it is emulated, and slower.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
HEAD = "logits"  # of every network of ours; it and what follows it stay in float32
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def dtype_policy(precision: str) -> str:
    """Name of the Keras policy for TrainConfig.precision."""
    return POLICIES[_fastest() if precision == "auto" else precision]


@contextmanager
def computing_in(policy: str) -> Iterator[None]:
    """Layers that are built inside compute so."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_precision(model: keras.Model, policy: str) -> keras.Model:
    """A copy that computes by `policy` up to its logits: the same weights, of which the same are trained."""
    names = [layer.name for layer in model.layers]
    head = set(names[names.index(HEAD) :] if HEAD in names else names[-1:])

    def recast(operation: Any) -> Any:
        if isinstance(operation, keras.Model):
            return in_precision(operation, policy)
        config = operation.get_config()
        if isinstance(operation, keras.Layer) and operation.name not in head:
            config["dtype"] = policy
        return type(operation).from_config(config)

    inputs = keras.Input(model.input_shape[1:])  # Keras would name it after a tensor
    copy = keras.models.clone_model(model, input_tensors=inputs, clone_function=recast)
    copy.set_weights(model.get_weights())
    for variable, before in zip(copy.weights, model.weights, strict=True):
        variable.trainable = before.trainable  # no setting says it of a single variable
    return copy


def _fastest() -> str:
    if any(device.startswith("gpu") for device in keras.distribution.list_devices()):
        return "float16"
    has_bfloat16 = PROCESSOR.is_file() and BFLOAT16_FLAGS & set(PROCESSOR.read_text().split())
    return "bfloat16" if has_bfloat16 else "float32"

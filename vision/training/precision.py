"""In which precision a network computes: half of it where the device is faster so; weights stay float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

PROCESSOR = Path("/proc/cpuinfo")
# Flags of x86 processors that multiply bfloat16 themselves; without them it is emulated, and slower.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
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


def _fastest() -> str:
    if any(device.startswith("gpu") for device in keras.distribution.list_devices()):
        return "float16"
    has_bfloat16 = PROCESSOR.is_file() and BFLOAT16_FLAGS & set(PROCESSOR.read_text().split())
    return "bfloat16" if has_bfloat16 else "float32"

"""What int8 reaches on this machine at best: a chain of large matrix products by OpenVINO."""

from __future__ import annotations

import time

import numpy as np
import openvino as ov
from openvino import opset13 as operations

SIDE, PRODUCTS, ROUNDS = 2048, 8, 20
RANGE = (-4.0, 3.96875)  # of 256 steps of 1/32; the values between products have a deviation of about 1


def int8_peak() -> float:
    """Multiplications with their additions a second, the best of ROUNDS, on all cores."""
    model = ov.Core().compile_model(_chain(), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    given = np.random.default_rng(1).normal(size=(SIDE, SIDE)).astype(np.float32)
    request = model.create_infer_request()
    return PRODUCTS * SIDE**3 / min(_seconds(request, given) for _ in range(ROUNDS))


def _chain() -> ov.Model:
    """Between the products nothing but rounding to int8, so that each begins with what the last has left."""
    generator = np.random.default_rng(0)
    given = values = operations.parameter([SIDE, SIDE], np.float32)
    limits = [operations.constant(np.float32(limit)) for limit in RANGE]
    scale = operations.constant(np.float32(1 / (73 * SIDE**0.5)))  # 73: the weights' deviation
    for _ in range(PRODUCTS):
        rounded = operations.fake_quantize(values, *limits, *limits, 256)
        weights = operations.constant(generator.integers(-127, 128, (SIDE, SIDE), dtype=np.int8))
        scaled = operations.multiply(operations.convert(weights, np.float32), scale)
        values = operations.matmul(rounded, scaled, False, True)
    return ov.Model([operations.result(values)], [given])


def _seconds(request: ov.InferRequest, given: np.ndarray) -> float:
    started = time.perf_counter()
    request.infer([given])
    return time.perf_counter() - started

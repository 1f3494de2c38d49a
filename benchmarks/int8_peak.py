"""What int8 reaches on this machine at best: chains of matrix products by OpenVINO.

Of several sizes: which of them is the fastest depends on the processor.
"""

from __future__ import annotations

import time

import numpy as np
import openvino as ov
from openvino import opset13 as operations

SIDES, PRODUCTS, ROUNDS = (512, 1024, 2048), 16, 20
RANGE = (-4.0, 3.96875)  # of 256 steps of 1/32; the values between products have a deviation of about 1


def int8_peak() -> float:
    """Multiplications with their additions a second, the best of all sizes and rounds, on all cores."""
    return max(map(reached, SIDES))


def reached(side: int) -> float:
    """The same of products of matrices of `side` rows and columns."""
    model = ov.Core().compile_model(_chain(side), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    given = np.random.default_rng(1).normal(size=(side, side)).astype(np.float32)
    request = model.create_infer_request()
    return PRODUCTS * side**3 / min(_seconds(request, given) for _ in range(ROUNDS))


def _chain(side: int) -> ov.Model:
    """Between the products nothing but rounding to int8, so that each begins with what the last has left."""
    generator = np.random.default_rng(0)
    given = values = operations.parameter([side, side], np.float32)
    limits = [operations.constant(np.float32(limit)) for limit in RANGE]
    scale = operations.constant(np.float32(1 / (73 * side**0.5)))  # 73: the weights' deviation
    for _ in range(PRODUCTS):
        rounded = operations.fake_quantize(values, *limits, *limits, 256)
        weights = operations.constant(generator.integers(-127, 128, (side, side), dtype=np.int8))
        scaled = operations.multiply(operations.convert(weights, np.float32), scale)
        values = operations.matmul(rounded, scaled, False, True)
    return ov.Model([operations.result(values)], [given])


def _seconds(request: ov.InferRequest, given: np.ndarray) -> float:
    started = time.perf_counter()
    request.infer([given])
    return time.perf_counter() - started


if __name__ == "__main__":
    for size in SIDES:
        print(f"{size} x {size}: {reached(size) / 1e9:,.0f} GMAC/s")

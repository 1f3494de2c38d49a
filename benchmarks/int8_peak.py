"""What int8 reaches on this machine at best: chains of matrix products and of convolutions by OpenVINO.

Several of them: which is the fastest depends on the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import openvino as ov
from openvino import Node
from openvino import opset13 as operations

SIDES = (512, 1024, 2048)  # of matrices
CONVOLVED, CHANNELS, KERNEL = 56, 256, 3  # pixels a side, channels in and out, side of the kernel
IMAGES = (1, 4)
LAYERS, ROUNDS = 16, 20
# Of 256 steps of 1/32, none below 0, as behind a ReLU: signed values cost VNNI an addition.
RANGE = (0.0, 7.96875)

Shape = tuple[int, ...]
Layer = Callable[[Node, Node], Node]  # of values and weights


def int8_peak() -> float:
    """Multiplications with their additions a second, the best of all chains and rounds, on all cores."""
    return max(reached(*chain) for chain in CHAINS.values())


def reached(shape: Shape, weights: Shape, layer: Layer) -> float:
    """The same of a chain of that layer, which leaves the shape of what it is given."""
    model = ov.Core().compile_model(_chain(shape, weights, layer), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    given = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    request = model.create_infer_request()
    # Each output value takes a multiplication for each weight that leads to it.
    work = LAYERS * given.size * np.prod(weights[1:])
    return float(work) / min(_seconds(request, given) for _ in range(ROUNDS))


def _product(values: Node, weights: Node) -> Node:
    return operations.matmul(values, weights, False, True)


def _convolution(values: Node, weights: Node) -> Node:
    padding = [KERNEL // 2] * 2
    return operations.convolution(values, weights, [1, 1], padding, padding, [1, 1])


CHAINS: Mapping[str, tuple[Shape, Shape, Layer]] = {
    f"products of {side} x {side}": ((side, side), (side, side), _product) for side in SIDES
} | {
    f"convolutions {KERNEL} x {KERNEL} of {count} x {CONVOLVED} x {CONVOLVED} x {CHANNELS}": (
        (count, CHANNELS, CONVOLVED, CONVOLVED),
        (CHANNELS, CHANNELS, KERNEL, KERNEL),
        _convolution,
    )
    for count in IMAGES
}


def _chain(shape: Shape, weights: Shape, layer: Layer) -> ov.Model:
    """Between the layers nothing but rounding to int8, so that each begins with what the last has left."""
    generator = np.random.default_rng(0)
    given = values = operations.parameter(list(shape), np.float32)
    limits = [operations.constant(np.float32(limit)) for limit in RANGE]
    # 73 is the weights' deviation; of values about 0, half are left (He et al. 2015): the next vary as these.
    scale = operations.constant(np.float32((2 / np.prod(weights[1:])) ** 0.5 / 73))
    for _ in range(LAYERS):
        rounded = operations.fake_quantize(values, *limits, *limits, 256)
        drawn = operations.constant(generator.integers(-127, 128, weights, dtype=np.int8))
        values = layer(rounded, operations.multiply(operations.convert(drawn, np.float32), scale))
    return ov.Model([operations.result(values)], [given])


def _seconds(request: ov.InferRequest, given: np.ndarray) -> float:
    started = time.perf_counter()
    request.infer([given])
    return time.perf_counter() - started


if __name__ == "__main__":
    for name, chain in CHAINS.items():
        print(f"{name}: {reached(*chain) / 1e9:,.0f} GMAC/s", flush=True)

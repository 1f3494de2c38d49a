"""Batch norm's moving statistics in short trainings: of the network as it becomes, not as it began.

With momentum m they still hold the share m^n of their start after n steps. At MobileNet's 0.999 that is 37 %
after 1,000, and inference, which computes by them, guesses while training goes well (Wu & Johnson 2021,
"Rethinking 'Batch' in BatchNorm", section 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

# Of a training: its last tenth is averaged at most, so that e^-10 of the start is left.
SHARE = 0.1
SMALLEST_MOMENTUM = 0.5


@contextmanager
def keeping_up(network: keras.Model, *, steps: int) -> Iterator[None]:
    """Inside, a training of so many steps, no batch norm of the network has more momentum than fits them."""
    layers = [
        layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)
    ]
    usual = [layer.momentum for layer in layers]
    largest = max(SMALLEST_MOMENTUM, 1 - 1 / (SHARE * steps))
    for layer in layers:
        layer.momentum = min(layer.momentum, largest)
    try:
        yield
    finally:
        for layer, momentum in zip(layers, usual, strict=True):
            layer.momentum = momentum

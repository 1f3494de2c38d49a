"""Which channels of each group stay: those of the largest weights, in numbers that suit int8."""

from __future__ import annotations

import math
from collections.abc import Mapping

import keras
import numpy as np
from numpy.typing import NDArray

from vision.compression.pruning.channels import ChannelMap

# int8 kernels compute blocks of 8 channels; a group that is small anyway, such as the bottleneck of an
# attention, keeps half a block.
BLOCK, FEWEST = 8, 4


def kept_count(size: int, share: float) -> int:
    """How many of a group's `size` channels stay where about this share of them is to, 0..1.

    A multiple of 8 where the group has 16 channels or more, else 4 at least; never more than there are.
    """
    if size < 2 * BLOCK:
        return min(size, max(FEWEST, _nearest(size * share)))
    return min(size, max(1, _nearest(size * share / BLOCK)) * BLOCK)


def keep_strongest(
    model: keras.Model, channels: ChannelMap, widths: Mapping[tuple[str, ...], int]
) -> NDArray[np.bool_]:
    """(count,): which channels stay where each group, known by its producers, keeps so many."""
    keep, scores = np.ones(channels.count, bool), importance(model, channels)
    for group in channels.groups:
        weakest_first = group.channels[np.argsort(scores[group.channels], kind="stable")]
        keep[weakest_first[: len(weakest_first) - widths[group.producers]]] = False
    return keep


def importance(model: keras.Model, channels: ChannelMap) -> NDArray[np.float64]:
    """(count,): mean over a channel's producers of the norm of the weights that make it; 0 of frozen ones.

    The L2 norm of a filter, divided by the mean of its layer's: layers differ in scale (Li et al. 2017 have
    the L1 norm, "not noticeably different"; over producers as DepGraph, Fang et al. 2023).
    """
    total, producers = np.zeros(channels.count), np.zeros(channels.count)
    for name in dict.fromkeys(name for group in channels.groups for name in group.producers):
        np.add.at(total, channels.outputs[name], _relative_norms(model.get_layer(name)))
        np.add.at(producers, channels.outputs[name], 1)
    return total / np.maximum(producers, 1)


def _relative_norms(layer: keras.layers.Layer) -> NDArray[np.float64]:
    kernel = np.array(layer.kernel, np.float64)
    norms = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), axis=0)
    relative: NDArray[np.float64] = norms / (norms.mean() or 1.0)
    return relative


def _nearest(number: float) -> int:
    return math.floor(number + 0.5)  # `round` has halves go to even numbers

"""Which channels of a network depend on each other: what has to be removed together, and what must stay.

Each channel has a number from the layer that makes it. Where channels are added or multiplied their numbers
are tied: they fall together, as in residual blocks (Li et al. 2017, "Pruning Filters for Efficient ConvNets",
section 3.3) and wherever else layers depend on each other (DepGraph, Fang et al. 2023).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Group:
    """Channels (G,) that the same layers make: of each group one share is removed."""

    producers: tuple[str, ...]
    channels: Numbers


@dataclass(frozen=True)
class ChannelMap:
    """The channels of a network, 0..count - 1; those that are tied are one.

    `inputs` and `outputs`: of each layer that is altered where channels go, which channel stands at each
    place of the last axis. `groups` are the channels that may go, `frozen` says of other producers why not.
    """

    count: int
    inputs: Mapping[str, Numbers]
    outputs: Mapping[str, Numbers]
    groups: tuple[Group, ...]
    frozen: Mapping[str, str]


class ChannelTracer:
    """Numbers channels and remembers what is said of the numbers; `result` draws the conclusions."""

    def __init__(self) -> None:
        self._count = 0
        self._inputs: dict[str, Numbers] = {}
        self._outputs: dict[str, Numbers] = {}
        self._producers: list[str] = []
        self._ties: list[tuple[Numbers, Numbers]] = []
        self._frozen: list[tuple[Numbers, str]] = []

    def new(self, count: int) -> Numbers:
        first, self._count = self._count, self._count + count
        return np.arange(first, self._count)

    def produced(self, name: str, count: int) -> Numbers:
        """Numbers of what a layer makes of its inputs; the same where it is called again."""
        if name not in self._outputs:
            self._producers.append(name)
            self._outputs[name] = self.new(count)
        return self._outputs[name]

    def tie(self, some: Numbers, others: Numbers) -> None:
        self._ties.append((some, others))

    def freeze(self, numbers: Numbers, reason: str) -> None:
        self._frozen.append((numbers, reason))

    def altered(self, name: str, inputs: Numbers, outputs: Numbers) -> None:
        """The layer changes with its channels; called twice it has one set of weights, which ties both."""
        self.tie(self._inputs.setdefault(name, inputs), inputs)
        self.tie(self._outputs.setdefault(name, outputs), outputs)

    def result(self) -> ChannelMap:
        count, tied = self._tied()
        outputs = {name: tied[numbers] for name, numbers in self._outputs.items()}
        reasons = {channel: reason for numbers, reason in self._frozen for channel in tied[numbers]}
        frozen = {
            name: reasons[channel]
            for name in self._producers
            for channel in outputs[name]
            if channel in reasons
        }
        return ChannelMap(
            count=count,
            inputs={name: tied[numbers] for name, numbers in self._inputs.items()},
            outputs=outputs,
            groups=_groups({name: outputs[name] for name in self._producers}, set(reasons)),
            frozen=frozen,
        )

    def _tied(self) -> tuple[int, Numbers]:
        """How many channels there are, and the channel of each number."""
        some, others = (np.concatenate(side) for side in zip(*self._ties, strict=True))
        graph = coo_array((np.ones(len(some)), (some, others)), shape=(self._count, self._count))
        count, channels = connected_components(graph, directed=False)
        return count, channels


def _groups(made: Mapping[str, Numbers], frozen: set[int]) -> tuple[Group, ...]:
    """The channels that are not frozen, by the layers that make them."""
    producers: dict[int, list[str]] = defaultdict(list)
    for name, channels in made.items():
        for channel in np.unique(channels):
            producers[channel].append(name)
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for channel, names in producers.items():
        if channel not in frozen:
            groups[tuple(names)].append(channel)
    return tuple(Group(names, np.array(channels)) for names, channels in groups.items())

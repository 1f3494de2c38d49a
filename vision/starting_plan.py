"""What a starting point says of the network: which one, at which size, by which recipe, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BUDGET_SECONDS = 900
LEAST_EPOCHS = 5
GPU_SPEEDUP = 20  # against two cores: a careful guess, not measured


@dataclass(frozen=True)
class Machine:
    """What is trained on."""

    cores: int
    has_gpu: bool

    @property
    def speed(self) -> float:
        """In cores."""
        return 2 * GPU_SPEEDUP if self.has_gpu else self.cores


@dataclass(frozen=True)
class Plan:
    """Sections of the YAML, and the reason for each value by key (`prepare.image_size`).

    `side` is in pixels, `seconds` what the training should take.
    """

    side: int
    model: Mapping[str, Any]
    train: Mapping[str, Any]
    augment: Mapping[str, Any]
    seconds: float
    reasons: Mapping[str, str]
    quality: Mapping[str, Any] = field(default_factory=dict)

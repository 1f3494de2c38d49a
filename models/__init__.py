"""Architectures only, no weights: pixels (H, W, 3) 0..255 in, logits (K,) out; scaling is their first layer.

One file a family, one row a variant. Keras is imported when a row is built, so that reading a YAML
need not wait for it; a row names the options, so that a misspelt one is refused without Keras too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

ImageShape = tuple[int, int, int]


@dataclass(frozen=True)
class Architecture:
    """A row: where the build function is, and what it takes.

    `smallest_side` is in pixels; `options` are the keyword arguments besides shape and number of classes,
    with their types.
    """

    module: str
    function: str
    smallest_side: int
    options: Mapping[str, type]

    @property
    def build_function(self) -> Callable[..., keras.Model]:
        function: Callable[..., keras.Model] = getattr(import_module(self.module), self.function)
        return function

    def build(self, image_shape: ImageShape, num_classes: int, **options: Any) -> keras.Model:
        """A new model with random weights: (N, H, W, 3) float32 0..255 -> logits (N, K)."""
        return self.build_function(image_shape, num_classes, **options)


ARCHITECTURES = {
    "reference_a": Architecture(
        "models.reference", "build_reference_a", smallest_side=8, options={"dropout": float}
    ),
    "reference_b": Architecture(
        "models.reference", "build_reference_b", smallest_side=16, options={"dropout": float}
    ),
    "residual": Architecture(
        "models.residual",
        "build_residual",
        smallest_side=8,
        options={"filters": int, "stages": int, "blocks": int, "stem_strides": int, "dropout": float},
    ),
}

"""Architectures only, no weights: pixels (H, W, 3) 0..255 in, logits (K,) out; scaling is their first layer.

One file a family, one row a variant. Keras is imported when a row is built, so that reading a YAML
need not wait for it; a row names the options, so that a misspelt one is refused without Keras too.
Every network has a layer "features", whose output is the (N, D) vector before the head, and a Dense
"logits" in float32; the head of several labels is that of several classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

# Height and width may be None, so that one network takes images of any size.
ImageShape = tuple[int | None, int | None, int]
Prepare = Callable[["keras.Model", "NDArray[np.uint8]"], None]


@dataclass(frozen=True)
class Architecture:
    """A row: where the build function is, and what it takes.

    `smallest_side` is in pixels; `options` are the keyword arguments besides shape, number of classes and
    weights, with their types. One that `takes_weights` is also built with `weights`: None, "imagenet"
    (downloaded) or a file. `takes_any_size`: image_shape may be (None, None, 3). `prepare` names a function
    of the module.
    """

    module: str
    function: str
    smallest_side: int
    options: Mapping[str, type]
    takes_weights: bool = False
    takes_any_size: bool = True
    prepare: str | None = None

    @property
    def build_function(self) -> Callable[..., keras.Model]:
        function: Callable[..., keras.Model] = getattr(import_module(self.module), self.function)
        return function

    @property
    def prepare_function(self) -> Prepare | None:
        """To be called once before training with the model and up to 5,000 training images, uint8."""
        return getattr(import_module(self.module), self.prepare) if self.prepare else None

    def build(self, image_shape: ImageShape, num_classes: int, **options: Any) -> keras.Model:
        """A new model: (N, H, W, 3) float32 0..255 -> logits (N, K); random weights unless told otherwise."""
        return self.build_function(image_shape, num_classes, **options)


def _application(name: str, smallest_side: int = 32, **options: type) -> Architecture:
    return Architecture(
        "models.applications",
        f"build_{name}",
        smallest_side=smallest_side,
        options={"dropout": float, **options},
        takes_weights=True,
    )


_STAGES = {"filters": int, "stages": int, "blocks": int, "stem_strides": int, "dropout": float}

ARCHITECTURES = {
    "reference_a": Architecture(
        "models.reference", "build_reference_a", smallest_side=8, options={"dropout": float}
    ),
    "reference_b": Architecture(
        "models.reference",
        "build_reference_b",
        smallest_side=16,
        options={"dropout": float},
        takes_any_size=False,
    ),
    "residual": Architecture("models.residual", "build_residual", smallest_side=8, options=_STAGES),
    "resnet18": Architecture(
        "models.residual",
        "build_resnet18",
        smallest_side=8,
        options={"stem_strides": int, "dropout": float},
    ),
    "squeeze_excite": Architecture(
        "models.squeeze_excite", "build_squeeze_excite", smallest_side=8, options=_STAGES
    ),
    "cbam": Architecture("models.cbam", "build_cbam", smallest_side=8, options=_STAGES),
    "multi_scale": Architecture("models.multi_scale", "build_multi_scale", smallest_side=8, options=_STAGES),
    "dense": Architecture(
        "models.dense",
        "build_dense",
        smallest_side=8,
        options={"growth": int, "blocks": int, "block_layers": int, "stem_strides": int, "dropout": float},
    ),
    "scaled": Architecture(
        "models.scaled",
        "build_scaled",
        smallest_side=32,
        options={"phi": int, "stem_strides": int, "dropout": float},
    ),
    "fast": Architecture(
        "models.fast",
        "build_fast",
        smallest_side=24,
        options={"width": int, "widest": int, "convolutions": int, "stem_strides": int},
        prepare="whiten",
    ),
    "vgg16": _application("vgg16"),
    "resnet50": _application("resnet50"),
    "inception_v3": _application("inception_v3", smallest_side=75),
    "efficientnet_b0": _application("efficientnet_b0"),
    "efficientnet_v2_b0": _application("efficientnet_v2_b0"),
    "mobilenet_v2": _application("mobilenet_v2", alpha=float),
    "mobilenet_v3_small": _application("mobilenet_v3_small"),
    "mobilenet_v3_large": _application("mobilenet_v3_large"),
    "densenet121": _application("densenet121"),
    "convnext_tiny": _application("convnext_tiny"),
}

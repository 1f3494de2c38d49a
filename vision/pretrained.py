"""Networks that begin with ImageNet's weights: where the files are, and what is said where there are none.

Keras downloads them; where there is no network, the folder that SIGHTLINE_WEIGHTS names or Keras' own cache
holds them, under the names that Keras gives them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import ARCHITECTURES, ImageShape
from vision.errors import ConfigError

if TYPE_CHECKING:
    import keras

IMAGENET = "imagenet"
FOLDER_VARIABLE = "SIGHTLINE_WEIGHTS"

# The names of keras.applications 3.15 for weights without the top.
_KERNELS = "weights_tf_dim_ordering_tf_kernels"
KERAS_FILES = {
    "vgg16": f"vgg16_{_KERNELS}_notop.h5",
    "resnet50": f"resnet50_{_KERNELS}_notop.h5",
    "inception_v3": f"inception_v3_{_KERNELS}_notop.h5",
    "efficientnet_b0": "efficientnetb0_notop.h5",
    "efficientnet_v2_b0": "efficientnetv2-b0_notop.h5",
    "mobilenet_v2": f"mobilenet_v2_{_KERNELS}_{{alpha}}_224_no_top.h5",
    "mobilenet_v3_small": "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    "mobilenet_v3_large": "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    "densenet121": f"densenet121_{_KERNELS}_notop.h5",
    "convnext_tiny": "convnext_tiny_notop.h5",
}


def build_pretrained(
    architecture: str,
    image_shape: ImageShape,
    num_classes: int,
    *,
    weights: str,
    options: Mapping[str, Any],
) -> keras.Model:
    """A new model with the weights that `resolve_weights` finds; ConfigError where they cannot be had."""
    source = resolve_weights(architecture, weights, options)
    try:
        return ARCHITECTURES[architecture].build(image_shape, num_classes, weights=source, **options)
    except ConnectionError as error:
        raise ConfigError(
            f"{error}; put {keras_file(architecture, options)} into a folder and set {FOLDER_VARIABLE} to it,"
            " or set config.model.weights to a file of weights"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{error}; set config.model.weights, name or options") from error


def resolve_weights(architecture: str, weights: str | None, options: Mapping[str, Any]) -> str | Path | None:
    """What its build function is to be given: None, a file, or "imagenet" where Keras is to download them.

    ConfigError where the architecture takes no weights.
    """
    if weights is None:
        return None
    if not ARCHITECTURES[architecture].takes_weights:
        allowed = ", ".join(name for name, row in ARCHITECTURES.items() if row.takes_weights)
        raise ConfigError(
            f'no weights are published for {architecture}, received "{weights}": set config.model.weights to'
            f" null, or config.model.name to one of {allowed}"
        )
    if weights == IMAGENET:
        return find_weights(architecture, options) or IMAGENET
    return Path(weights)


def find_weights(architecture: str, options: Mapping[str, Any]) -> Path | None:
    """A file of ImageNet's weights on this machine: in $SIGHTLINE_WEIGHTS, else in Keras' cache.

    Named as Keras does, or as `mobilenetv2_1.0_224_imagenet_notop.weights.h5`.
    """
    name = architecture.replace("_", "")
    if "alpha" in ARCHITECTURES[architecture].options:
        name += f"_{_alpha(options)}"
    patterns = (keras_file(architecture, options), f"{name}_*imagenet*_notop.weights.h5")
    found = (path for folder in _folders() for pattern in patterns for path in sorted(folder.glob(pattern)))
    return next(found, None)


def keras_file(architecture: str, options: Mapping[str, Any]) -> str:
    """The name under which Keras stores ImageNet's weights of the architecture."""
    return KERAS_FILES[architecture].format(alpha=_alpha(options))


def _alpha(options: Mapping[str, Any]) -> float:
    return float(options.get("alpha", 1.0))


def _folders() -> list[Path]:
    named = os.environ.get(FOLDER_VARIABLE)
    keras_home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    return [*([Path(named)] if named else []), keras_home / "models"]

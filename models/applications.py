"""The networks of keras.applications, flat: one graph from pixels to logits, so that activation maps work.

Every row takes pixels 0..255 and scales them as the published weights want it; what a network of Keras
scales inside is left out. The weights are ImageNet's, a file's, or random.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import Any

import keras
from keras import KerasTensor, applications, layers

from models import ImageShape
from models.blocks import pixels_standardised, pixels_to_bgr, pixels_to_unit
from models.head import classification_head

Weights = str | Path | None
IMAGENET = "imagenet"


def flat_application(
    constructor: Callable[..., keras.Model], scale: Callable[[KerasTensor], KerasTensor]
) -> Callable[..., keras.Model]:
    """The build function of a row: `constructor` is one of keras.applications, `scale` takes its pixels."""

    def build(
        image_shape: ImageShape, num_classes: int, *, weights: Weights = None, dropout: float = 0.0
    ) -> keras.Model:
        """Logits (N, K). `weights`: None, "imagenet" (Keras downloads them) or a file with include_top=False.

        ValueError where the file is missing, cut short or another network's; ConnectionError where the
        download fails. Networks built with and without a fixed size agree on sides that are multiples of 32.
        """
        backbone = constructor(input_shape=image_shape, include_top=False, weights=None)
        if weights == IMAGENET:
            backbone.set_weights(_published(constructor, backbone.name).get_weights())
        elif weights is not None:
            _load(backbone, weights)
        inputs = keras.Input(image_shape)
        x = _continue_flat(backbone, inputs, scale)
        return keras.Model(inputs, classification_head(x, num_classes, dropout=dropout), name=backbone.name)

    return build


def build_mobilenet_v2(
    image_shape: ImageShape,
    num_classes: int,
    *,
    weights: Weights = None,
    dropout: float = 0.0,
    alpha: float = 1.0,
) -> keras.Model:
    """Sandler et al. 2018; `alpha` multiplies the filters, published are 0.35, 0.5, 0.75, 1, 1.3 and 1.4."""
    build = flat_application(partial(applications.MobileNetV2, alpha=alpha), pixels_to_unit)
    return build(image_shape, num_classes, weights=weights, dropout=dropout)


# Simonyan & Zisserman 2015; He et al. 2016; Szegedy et al. 2016; Huang et al. 2017.
build_vgg16 = flat_application(applications.VGG16, pixels_to_bgr)
build_resnet50 = flat_application(applications.ResNet50, pixels_to_bgr)
build_inception_v3 = flat_application(applications.InceptionV3, pixels_to_unit)
build_densenet121 = flat_application(applications.DenseNet121, pixels_standardised)
# Tan & Le 2019 and 2021; Howard et al. 2019; Liu et al. 2022.
build_efficientnet_b0 = flat_application(applications.EfficientNetB0, pixels_standardised)
build_efficientnet_v2_b0 = flat_application(applications.EfficientNetV2B0, pixels_standardised)
build_mobilenet_v3_small = flat_application(applications.MobileNetV3Small, pixels_to_unit)
build_mobilenet_v3_large = flat_application(applications.MobileNetV3Large, pixels_to_unit)
build_convnext_tiny = flat_application(applications.ConvNeXtTiny, pixels_standardised)


def _published(constructor: Callable[..., keras.Model], name: str) -> keras.Model:
    """With ImageNet's weights, at the size that they were trained for: other sizes warn and load the same."""
    try:
        return constructor(input_shape=(224, 224, 3), include_top=False, weights=IMAGENET)
    except ValueError:  # no weights are published for these options; Keras says which are
        raise
    except Exception as error:  # keras.utils.get_file raises Exception itself where a download fails
        raise ConnectionError(f"ImageNet's weights of {name} could not be downloaded: {error}") from error


def _load(backbone: keras.Model, weights: str | Path) -> None:
    try:
        with warnings.catch_warnings():
            # Of another network's file Keras warns first, and then raises all the same.
            warnings.filterwarnings("ignore", "Skipping nested container")
            backbone.load_weights(str(weights))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f'the weights "{weights}" cannot be loaded into {backbone.name}: allowed is a .weights.h5 file,'
            " or an .h5 file of keras.applications, of that same network with include_top=False"
            f" ({type(error).__name__}: {reason})"
        ) from error


def _continue_flat(
    backbone: keras.Model, inputs: KerasTensor, scale: Callable[[KerasTensor], KerasTensor]
) -> KerasTensor:
    """The backbone's feature maps, by copies of its layers on the scaled inputs."""
    copies: list[tuple[layers.Layer, layers.Layer]] = []

    def copy(layer: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            return layer
        copies.append((layer, type(layer).from_config(layer.get_config())))
        return copies[-1][1]

    def call(layer: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        x = scale(inputs) if x is inputs else x
        if isinstance(layer, layers.Rescaling | layers.Normalization):
            return x  # EfficientNets, MobileNetV3 and ConvNeXt scale inside, we do it before
        if isinstance(layer, keras.Sequential):  # in ConvNeXt
            return reduce(lambda x, inner: copy(inner)(x), layer.layers, x)
        return layer(x, *args, **kwargs)

    flat = keras.models.clone_model(backbone, input_tensors=inputs, clone_function=copy, call_function=call)
    for layer, twin in copies:
        if getattr(twin, "weights", None):
            twin.set_weights(layer.get_weights())
    return flat.output

"""The methods of explanation in one table, and the choice of the one that fits a classifier.

Gradients where a model has them, ReciproCAM where it is compiled and can be split, else occlusion; the
result names the one that was used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.decoding import Pixels
from vision.errors import ConfigError, one_of
from vision.runtimes import Splittable

Maps = NDArray[np.float32]
Indices = NDArray[np.int64]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActivationMaps:
    """Maps (N, H, W), float32, 0..1 with the maximum at 1, or all 0 where nothing spoke for the class."""

    method: str
    maps: Maps


@dataclass(frozen=True)
class Method:
    """A row: its name for people, and maps (N, H, W) that are not scaled; None where it cannot be used."""

    title: str
    maps: Callable[[ImageClassifier, Pixels, Indices], Maps | None]


def activation_maps(
    classifier: ImageClassifier,
    images: Pixels,
    class_indices: NDArray[np.integer],
    *,
    method: str = "auto",
) -> ActivationMaps:
    """One map for each preprocessed image (N, H, W, 3), uint8, and the class (N,) asked of it.

    `method` is a name of METHODS, or "auto" for the first of AUTOMATIC that can be used. ConfigError for
    another name, or where the method cannot explain this model.
    """
    if method not in ("auto", *METHODS):
        raise ConfigError(one_of("method", method, ("auto", *METHODS), "`method` of activation_maps"))
    if len(images) == 0:
        row = METHODS["occlusion" if method == "auto" else method]
        return ActivationMaps(row.title, np.zeros(images.shape[:3], np.float32))
    indices = np.asarray(class_indices, dtype=np.int64)
    for name in AUTOMATIC if method == "auto" else (method,):
        row = METHODS[name]
        maps = row.maps(classifier, images, indices)
        if maps is not None:
            return ActivationMaps(row.title, _scaled(maps))
        logger.info("%s cannot explain this %s model", row.title, classifier.runtime.name)
    raise ConfigError(
        f'method "{method}" cannot explain this {classifier.runtime.name} model: gradients need Keras on'
        ' TensorFlow, ReciproCAM a model that can be split at its feature map; set `method` to "auto"'
    )


def _by_gradients(weights: str) -> Callable[[ImageClassifier, Pixels, Indices], Maps | None]:
    def maps(classifier: ImageClassifier, images: Pixels, indices: Indices) -> Maps | None:
        if classifier.runtime.name != "keras":
            return None
        from vision.explanation.gradients import WEIGHTS, gradient_maps

        model = classifier.runtime.model  # type: ignore[attr-defined]  # KerasRuntime has it
        return gradient_maps(model, images, indices, weigh=WEIGHTS[weights])

    return maps


def _recipro_cam(classifier: ImageClassifier, images: Pixels, indices: Indices) -> Maps | None:
    from vision.explanation.recipro_cam import recipro_cam

    split = classifier.runtime.split() if isinstance(classifier.runtime, Splittable) else None
    return recipro_cam(split, images, indices, task=classifier.task) if split else None


def _occlusion(classifier: ImageClassifier, images: Pixels, indices: Indices) -> Maps:
    from vision.explanation.occlusion import occlusion_sensitivity

    return occlusion_sensitivity(classifier.logits, images, indices, task=classifier.task)


METHODS = {
    "grad_cam": Method("Grad-CAM", _by_gradients("grad_cam")),
    "grad_cam_pp": Method("Grad-CAM++", _by_gradients("grad_cam_pp")),
    "recipro_cam": Method("ReciproCAM", _recipro_cam),
    "occlusion": Method("occlusion sensitivity", _occlusion),
}
# Not Grad-CAM++, which hardly depends on the class's own weights; see gradients.
AUTOMATIC = ("grad_cam", "recipro_cam", "occlusion")


def _scaled(maps: Maps) -> Maps:
    """Positive evidence only, each map divided by its maximum."""
    positive = np.maximum(maps, 0)
    peaks = positive.max(axis=(1, 2), keepdims=True)
    scaled: Maps = np.divide(positive, peaks, out=np.zeros_like(positive), where=peaks > 0)
    return scaled

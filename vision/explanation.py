"""Class activation maps: where in an image a classifier saw the class.

Two methods behind one function, and the result names the one that was used: Grad-CAM where gradients
exist, occlusion where the model is compiled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier
from vision.decoding import Pixels

Maps = NDArray[np.float32]
GRAD_CAM = "Grad-CAM"
OCCLUSION = "occlusion sensitivity"


@dataclass(frozen=True)
class ActivationMaps:
    """Maps (N, H, W), float32, 0..1 with the maximum at 1, or all 0 where nothing spoke for the class."""

    method: str
    maps: Maps


def activation_maps(
    classifier: ImageClassifier, images: Pixels, class_indices: NDArray[np.integer]
) -> ActivationMaps:
    """One map for each preprocessed image (N, H, W, 3), uint8, and the class asked of it.

    A Keras model on TensorFlow with feature maps inside gives Grad-CAM, any other occlusion sensitivity.
    """
    if len(images) == 0:
        return ActivationMaps(OCCLUSION, np.zeros(images.shape[:3], np.float32))
    indices = np.asarray(class_indices, dtype=np.int64)
    if classifier.runtime.name == "keras":
        from vision.grad_cam import feature_map, grad_cam

        model = classifier.runtime.model  # type: ignore[attr-defined]  # KerasRuntime has it
        features = feature_map(model)
        if features is not None:
            return ActivationMaps(GRAD_CAM, _scaled(grad_cam(model, features, images, indices)))
    from vision.occlusion import occlusion_sensitivity

    falls = occlusion_sensitivity(classifier.logits, images, indices, task=classifier.task)
    return ActivationMaps(OCCLUSION, _scaled(falls))


def overlay(image: NDArray[np.uint8], activation: Maps) -> NDArray[np.uint8]:
    """The image (H, W, 3), uint8, with its map (H, W) laid over it: dark purple low, yellow high.

    The image shows through more where the map is low, so that what did not matter stays recognisable.
    """
    from matplotlib import colormaps

    heat = colormaps["inferno"](activation)[..., :3] * 255
    opacity = 0.25 + 0.4 * activation[..., None]
    mixed: NDArray[np.uint8] = (image * (1 - opacity) + heat * opacity).round().astype(np.uint8)
    return mixed


def _scaled(maps: Maps) -> Maps:
    """Positive evidence only, each map divided by its maximum."""
    positive = np.maximum(maps, 0)
    peaks = positive.max(axis=(1, 2), keepdims=True)
    scaled: Maps = np.divide(positive, peaks, out=np.zeros_like(positive), where=peaks > 0)
    return scaled

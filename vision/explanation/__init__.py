"""Class activation maps: where in an image a classifier saw the class, and the map laid over the image.

methods      the table of methods, and the one that fits a classifier
gradients    Grad-CAM and Grad-CAM++: Keras on TensorFlow
recipro_cam  ReciproCAM: any runtime that can be split in two, int8 too
occlusion    occlusion sensitivity: whatever answers
log_odds     what the last two ask of an answer
overlays     back onto the image, prepared or original
"""

from __future__ import annotations

from vision.explanation.methods import METHODS, ActivationMaps, activation_maps
from vision.explanation.overlays import original_image, overlay, overlay_original, place_on_original

__all__ = [
    "METHODS",
    "ActivationMaps",
    "activation_maps",
    "original_image",
    "overlay",
    "overlay_original",
    "place_on_original",
]

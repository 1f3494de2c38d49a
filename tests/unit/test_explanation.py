"""Activation maps find a cue that was planted: from gradients, from ReciproCAM and from occlusion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest

from vision.classifier import ImageClassifier
from vision.errors import ConfigError
from vision.explanation import METHODS, activation_maps
from vision.explanation.occlusion import occlusion_sensitivity
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime
from vision.task import Task

SIDE = 32
NAMES = ("nothing", "red square")
INSIDE = [name for name in METHODS if name != "occlusion"]  # those that look into the model
GRAD_CAM, OCCLUSION = METHODS["grad_cam"].title, METHODS["occlusion"].title
# Where the cue is in each image: top left corner of a red square of 8 x 8.
CORNERS = ((4, 20), (20, 8))


def images_with_cue() -> np.ndarray:
    images = np.random.default_rng(0).integers(90, 110, (len(CORNERS), SIDE, SIDE, 3), dtype=np.uint8)
    for image, (top, left) in zip(images, CORNERS, strict=True):
        image[top : top + 8, left : left + 8] = (255, 0, 0)
    return images


def red_detector(head: str) -> keras.Model:
    """A convolution that answers to red and not to gray; the second logit grows with what it finds."""
    inputs = keras.Input((SIDE, SIDE, 3))
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    convolution = keras.layers.Conv2D(2, 4, strides=4, activation="relu")
    features = convolution(scaled)
    red = np.zeros((4, 4, 3, 2), np.float32)
    red[..., 0, 0], red[..., 1, 0] = 1 / 16, -1 / 16
    convolution.set_weights([red, np.array([-0.2, 0.3], np.float32)])
    pooled = (
        keras.layers.Flatten()(features) if head == "flatten" else keras.layers.GlobalMaxPooling2D()(features)
    )
    dense = keras.layers.Dense(2)
    outputs = dense(pooled)
    kernel = np.zeros((pooled.shape[1], 2), np.float32)
    kernel[0::2, 1] = 1.0
    dense.set_weights([kernel, np.zeros(2, np.float32)])
    return keras.Model(inputs, outputs)


def classifier_of(runtime: object) -> ImageClassifier:
    return ImageClassifier(runtime, Preprocessing(image_size=(SIDE, SIDE)), NAMES)  # type: ignore[arg-type]


@dataclass
class RedRuntime:
    """As compiled: answers, no gradients. The second logit is the share of red pixels."""

    name: str = "litert"
    precision: str = "int8"

    def logits(self, images: np.ndarray) -> np.ndarray:
        red = (images[..., 0].astype(int) - images[..., 1] > 100).mean(axis=(1, 2))
        return np.stack([np.zeros(len(images)), 20 * red], axis=1).astype(np.float32)


def assert_cue_is_found(maps: np.ndarray) -> None:
    assert maps.dtype == np.float32
    assert maps.shape == (len(CORNERS), SIDE, SIDE)
    for activation, (top, left) in zip(maps, CORNERS, strict=True):
        row, column = np.unravel_index(activation.argmax(), activation.shape)
        assert top <= row < top + 8
        assert left <= column < left + 8
        assert activation.max() == pytest.approx(1)
        assert activation.min() >= 0
        inside = activation[top : top + 8, left : left + 8].sum()
        assert inside > 0.3 * activation.sum()  # the cue covers 1/16 of the image


@pytest.mark.parametrize("task", ["multi_class", "multi_label"])
@pytest.mark.parametrize("head", ["flatten", "pool"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_cue(method: str, head: str, task: Task) -> None:
    classifier = replace(classifier_of(KerasRuntime(red_detector(head))), task=task)
    found = activation_maps(classifier, images_with_cue(), np.array([1, 1]), method=method)
    assert found.method == METHODS[method].title
    assert_cue_is_found(found.maps)


def test_keras_model_is_explained_by_grad_cam_unless_told_otherwise() -> None:
    classifier = classifier_of(KerasRuntime(red_detector("pool")))
    assert activation_maps(classifier, images_with_cue(), np.array([1, 1])).method == GRAD_CAM


def test_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'unknown method "lime": choose one of auto, grad_cam'):
        activation_maps(classifier_of(RedRuntime()), images_with_cue(), np.array([1, 1]), method="lime")


@pytest.mark.parametrize("method", INSIDE)
def test_method_that_cannot_explain_the_model_says_so(method: str) -> None:
    with pytest.raises(ConfigError, match=f'method "{method}" cannot explain this litert model'):
        activation_maps(classifier_of(RedRuntime()), images_with_cue(), np.array([1, 1]), method=method)


def test_occlusion_finds_the_cue() -> None:
    found = activation_maps(classifier_of(RedRuntime()), images_with_cue(), np.array([1, 1]))
    assert found.method == OCCLUSION
    assert_cue_is_found(found.maps)


@pytest.mark.parametrize("method", INSIDE)
def test_nested_frozen_model_is_explained(method: str) -> None:
    # As in transfer learning: "graph disconnected" where the inner model's own output is taken.
    inner = red_detector("flatten")
    backbone = keras.Model(inner.inputs, inner.layers[2].output)
    backbone.trainable = False
    inputs = keras.Input((SIDE, SIDE, 3))
    outer = keras.Model(inputs, inner.layers[-1](keras.layers.Flatten()(backbone(inputs))))
    classifier = classifier_of(KerasRuntime(outer))
    found = activation_maps(classifier, images_with_cue(), np.array([1, 1]), method=method)
    assert_cue_is_found(found.maps)


def test_randomised_weights_change_the_map() -> None:
    # The sanity check of Adebayo et al. 2018: a map that ignores the weights explains nothing.
    model, images = red_detector("flatten"), images_with_cue()
    trained = activation_maps(classifier_of(KerasRuntime(model)), images, np.array([1, 1])).maps
    random = np.random.default_rng(5)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    randomised = activation_maps(classifier_of(KerasRuntime(model)), images, np.array([1, 1])).maps
    assert np.abs(trained - randomised).mean() > 0.05


def test_maps_depend_on_the_class_asked() -> None:
    maps = activation_maps(classifier_of(RedRuntime()), images_with_cue()[[0, 0]], np.array([0, 1])).maps
    assert maps[0].max() == 0  # nothing in the image speaks for "nothing"
    assert maps[1].max() == 1


def test_label_is_explained_by_its_own_logit_alone() -> None:
    # Hiding the cue lowers the other logit: of two classes that speaks against the first, of labels not.
    classifier = replace(classifier_of(RedRuntime()), task="multi_label")
    maps = activation_maps(classifier, images_with_cue(), np.array([1, 1])).maps
    assert_cue_is_found(maps)
    falls = [
        occlusion_sensitivity(RedRuntime().logits, images_with_cue(), np.array([0, 0]), task=task)
        for task in ("multi_class", "multi_label")
    ]
    assert falls[0].min() < 0
    assert not falls[1].any()


def test_keras_model_without_feature_maps_is_occluded() -> None:
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    found = activation_maps(classifier_of(KerasRuntime(model)), images_with_cue(), np.array([1, 1]))
    assert found.method == OCCLUSION
    assert found.maps.shape == (2, SIDE, SIDE)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (33, 70)])
def test_occlusion_takes_any_size(size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    maps = activation_maps(classifier_of(RedRuntime()), images, np.array([0, 1])).maps
    assert maps.shape == (2, *size)
    assert np.isfinite(maps).all()


def test_no_images_give_no_maps() -> None:
    empty = np.zeros((0, 8, 8, 3), np.uint8)
    assert activation_maps(classifier_of(RedRuntime()), empty, np.zeros(0, int)).maps.shape == (0, 8, 8)

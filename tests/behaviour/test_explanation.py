"""Whether maps can be believed: they find what decides the class, and they forget it with the weights.

Images of noise whose class is the colour of a patch at a place that is known; a network that learns it in
seconds, and what the export makes of it.
"""

import keras
import numpy as np
import pytest
from scipy.stats import spearmanr

from vision.classifier import ImageClassifier
from vision.compression.candidates import convert
from vision.explanation import METHODS, activation_maps
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training.averaging import copy_of

SIDE, PATCH, CELL = 32, 8, 4  # pixels; the feature map has 8 x 8 cells
GRADIENTS = ("grad_cam", "grad_cam_pp")
COMPILED = [(name, precision) for name in ("litert", "openvino") for precision in ("float32", "int8")]


def noise_with_patch(count, seed):
    """Images, their classes, and the top left corners of the patches."""
    random = np.random.default_rng(seed)
    labels, corners = random.integers(0, 3, count), random.integers(0, SIDE - PATCH + 1, (count, 2))
    images = random.integers(60, 196, (count, SIDE, SIDE, 3), dtype=np.uint8)
    for image, label, (top, left) in zip(images, labels, corners, strict=True):
        image[top : top + PATCH, left : left + PATCH] = np.where(np.arange(3) == label, 235, 20)
    return images, labels, corners


def network():
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    for filters, strides in ((16, 2), (32, 2), (32, 1)):
        x = keras.layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.8)(x))
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


def classifier_of(model):
    return ImageClassifier(KerasRuntime(model), Preprocessing(image_size=(SIDE, SIDE)), ("r", "g", "b"))


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model, (images, labels, _) = network(), noise_with_patch(400, seed=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss)
    model.fit(images.astype(np.float32), labels, epochs=8, batch_size=32, verbose=0)
    return classifier_of(model)


@pytest.fixture(scope="module")
def converted(trained):
    made = convert(trained, noise_with_patch(40, seed=1)[0], ("litert", "openvino"))
    return {(each.runtime.name, each.runtime.precision): each for each in made}


def pointing_accuracy(maps, corners):
    """The pointing game (Zhang et al. 2018): how often the maximum is in the patch, give or take a cell.

    By chance less than 0.25: 16 x 16 of 32 x 32 pixels, cut by the border.
    """
    peaks = np.stack([np.unravel_index(each.argmax(), each.shape) for each in maps])
    is_hit = (peaks >= corners - CELL) & (peaks < corners + PATCH + CELL)
    return is_hit.all(axis=1).mean()


def test_the_network_has_learnt_the_patch(trained):
    images, labels, _ = noise_with_patch(40, seed=2)
    assert (trained.predict(images).argmax(axis=1) == labels).mean() > 0.95


@pytest.mark.parametrize("method", [*GRADIENTS, "recipro_cam"])
def test_maps_point_at_the_patch(trained, method):
    images, labels, corners = noise_with_patch(40, seed=2)
    maps = activation_maps(trained, images, labels, method=method).maps
    assert pointing_accuracy(maps, corners) >= 0.8


@pytest.mark.parametrize("kind", COMPILED, ids="-".join)
def test_maps_of_exported_models_point_at_the_patch(converted, kind):
    images, labels, corners = noise_with_patch(40, seed=2)
    found = activation_maps(converted[kind], images, labels)
    assert found.method == METHODS["recipro_cam"].title
    assert pointing_accuracy(found.maps, corners) >= 0.8


@pytest.mark.parametrize("kind", COMPILED, ids="-".join)
def test_maps_of_exported_models_are_those_of_keras(trained, converted, kind):
    images, labels, _ = noise_with_patch(10, seed=2)
    expected = activation_maps(trained, images, labels, method="recipro_cam").maps
    received = activation_maps(converted[kind], images, labels).maps
    assert rank_correlations(received, expected).min() > (0.999 if kind[1] == "float32" else 0.9)


def likeness_without_weights(trained, method, layers):
    """Rank correlation of the maps with those of the network whose last layers are drawn anew, over 4 draws.

    Adebayo et al. 2018, section 3: layers are randomised from the top down. The mean over draws, because a
    single new head may by chance be like the old one.
    """
    images, labels, _ = noise_with_patch(20, seed=2)
    before = activation_maps(trained, images, labels, method=method).maps
    draws = [with_new_layers(trained.runtime.model, layers, seed) for seed in range(4)]
    after = [activation_maps(classifier_of(draw), images, labels, method=method).maps for draw in draws]
    return np.mean([rank_correlations(maps, before) for maps in after])


def with_new_layers(model, layers, seed):
    """A copy of the network with the last layers that have weights as they are before training."""
    copy = copy_of(model, "randomised")
    keras.utils.set_random_seed(seed)
    pairs = [pair for pair in zip(copy.layers, network().layers, strict=True) if pair[0].weights]
    for ours, new in pairs[-layers:]:
        ours.set_weights(new.get_weights())
    return copy


@pytest.mark.parametrize("layers", [1, 3, 7], ids=["head", "last block", "all"])
@pytest.mark.parametrize("method", ["grad_cam", "recipro_cam"])
def test_maps_change_with_the_weights(trained, method, layers):
    """A map that stays as it was shows the image, not the model's reasons. Here about 0.3; 1 is unchanged."""
    assert likeness_without_weights(trained, method, layers) < 0.6


def test_grad_cam_pp_hardly_depends_on_the_head(trained):
    """Why it is never chosen by itself: its weights are all positive, so it shows what is active at all."""
    assert likeness_without_weights(trained, "grad_cam_pp", 1) > 0.8
    assert likeness_without_weights(trained, "grad_cam_pp", 7) < 0.75


def rank_correlations(first, second):
    """Spearman's, one an image; 0 where a map is the same everywhere and so says nothing."""
    pairs = [(one.ravel(), other.ravel()) for one, other in zip(first, second, strict=True)]
    return np.array([spearmanr(*pair).statistic if all(map(np.ptp, pair)) else 0.0 for pair in pairs])

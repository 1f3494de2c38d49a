"""`prune`: what it refuses, what it leaves alone, its rounds, and digits that are still read afterwards."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

from tests.behaviour.tiny import OFF, colours, convolutional, equal_weights, linear
from vision.classifier import ImageClassifier
from vision.compression.data import CompressionData
from vision.compression.pruning import prune as pruning
from vision.compression.pruning.prune import prune
from vision.errors import ConfigError
from vision.model_facts import flops
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training.averaging import average_models, behind_mirror, mirrored
from vision.training.fit import fit_model
from vision.training_config import TrainConfig
from vision.uncertainty.rules import Uncertainty

SHAPE = (8, 8, 3)
IMAGES = colours(8, seed=0)
DATA = CompressionData(IMAGES, IMAGES, IMAGES.images, OFF, seed=1)
BRIEF = TrainConfig(epochs=1, batch_size=8, first_size_share=0.5)


def classifier_of(model, classes=3, **fields):
    names = tuple("abcdefghij"[:classes])
    return ImageClassifier(KerasRuntime(model), Preprocessing(image_size=SHAPE[:2]), names, **fields)


@pytest.fixture(scope="module")
def original():
    return classifier_of(convolutional(filters=32, stages=1))


def kernels(classifier):
    return [layer.kernel.shape for layer in classifier.runtime.model.layers if hasattr(layer, "kernel")]


@pytest.mark.parametrize(("share", "rounds"), [(0, 1), (1, 1), (-0.5, 1), (1.5, 1), (0.5, 0)])
def test_prune_refuses_what_cannot_be(share, rounds, original):
    with pytest.raises(ConfigError, match=rf"share {share} and {rounds} rounds: allowed is"):
        prune(original, DATA, share=share, rounds=rounds, config=None)


def test_prune_refuses_an_ensemble():
    member = convolutional()
    for task in ("multi_class", "multi_label"):
        ensemble = average_models([member, member], task=task)
        for model in (ensemble, mirrored(ensemble, task=task)):
            with pytest.raises(ConfigError, match="distil it into one network first"):
                prune(classifier_of(model, task=task), DATA, share=0.5, config=None)


def test_prune_says_why_no_channel_may_go():
    with pytest.raises(
        ConfigError, match=r'no channel of "sequential.*": "logits" gives the network.s outputs'
    ):
        prune(classifier_of(linear()), DATA, share=0.5, config=None)


def test_prune_says_which_groups_are_too_small():
    with pytest.raises(ConfigError, match=r'of 4 channels of "conv2d.*" all are kept'):
        prune(classifier_of(convolutional(stages=1)), DATA, share=0.5, config=None)


def test_prune_without_training_keeps_weights_of_the_original(original):
    before = original.runtime.model.get_weights()
    pruned = prune(original.with_uncertainty(Uncertainty()), DATA, share=0.5, config=None)
    assert kernels(pruned) == [(3, 3, 3, 16), (3, 3, 16, 16), (3, 3, 16, 16), (16, 3)]
    assert set(pruned.runtime.model.get_weights()[0].ravel()) < set(before[0].ravel())
    assert pruned.uncertainty is None and pruned.runtime.precision == "float32"
    assert all(map(np.array_equal, original.runtime.model.get_weights(), before))


def test_prune_is_the_same_after_saving(original, tmp_path):
    pruned = prune(original, DATA, share=0.5, config=None)
    pruned.save(tmp_path / "pruned")
    loaded = ImageClassifier.load(tmp_path / "pruned")
    assert np.array_equal(loaded.predict(IMAGES.images), pruned.predict(IMAGES.images))


@pytest.mark.parametrize(("task", "last"), [("multi_class", "MeanSoftmax"), ("multi_label", "MeanSigmoid")])
def test_prune_goes_behind_the_mirror(task, last, original):
    both_ways = classifier_of(mirrored(original.runtime.model, task=task), task=task)
    pruned = prune(both_ways, DATA, share=0.5, config=None).runtime.model
    alone = prune(original, DATA, share=0.5, config=None).runtime.model
    assert equal_weights(behind_mirror(pruned), alone)
    assert [type(layer).__name__ for layer in pruned.layers[-1].layers][-1] == last


def test_prune_in_rounds_trains_in_each_and_ends_as_narrow(original):
    heard = []
    pruned = prune(
        original, DATA, share=0.75, rounds=2, config=BRIEF, on_epoch=lambda epoch, _: heard.append(epoch)
    )
    assert heard == [0, 1]
    assert kernels(pruned) == [(3, 3, 3, 8), (3, 3, 8, 8), (3, 3, 8, 8), (8, 3)]


def test_what_is_left_learns_in_the_precision_asked_for_and_from_the_whole(original, monkeypatch):
    seen = []

    def train(network, *_, teacher, **settings):
        seen.append((network.layers[1].compute_dtype, teacher))
        network.set_weights([np.full_like(weight, 0.5) for weight in network.get_weights()])

    monkeypatch.setattr(pruning, "fit_model", train)
    half = BRIEF.model_copy(update={"precision": "bfloat16"})
    pruned = prune(original, DATA, share=0.5, config=half, distil=True)
    prune(original, DATA, share=0.5, config=BRIEF)
    (in_half, teacher), (in_whole, none) = seen
    assert (in_half, in_whole, none) == ("bfloat16", "float32", None)
    assert equal_weights(teacher.model, original.runtime.model)
    assert {layer.compute_dtype for layer in pruned.runtime.model.layers} == {"float32"}
    assert all((weight == 0.5).all() for weight in pruned.runtime.model.get_weights())


def digits():
    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 8, 8, 1) * 255 / 16).astype(np.uint8).repeat(3, axis=3)
    training = LabelledImages(pixels[:1300], labels[:1300])
    return CompressionData(training, LabelledImages(pixels[1300:], labels[1300:]), pixels[:100], OFF, seed=1)


def reader():
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE)
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    for _ in range(2):
        x = layers.ReLU()(
            layers.BatchNormalization()(layers.Conv2D(32, 3, padding="same", use_bias=False)(x))
        )
        x = layers.MaxPooling2D()(x)
    return keras.Model(inputs, layers.Dense(10, name="logits")(layers.Flatten(name="features")(x)))


def accuracy(classifier, images):
    return np.mean(classifier.predict(images.images).argmax(axis=1) == images.labels)


def test_pruned_network_still_reads_digits():
    data, model = digits(), reader()
    config = TrainConfig(epochs=4, schedule="linear", learning_rate=5e-3, early_stopping_patience=None)
    fit_model(model, data.training, data.validation, policy=OFF, config=config, seed=1)
    whole = classifier_of(model, classes=10)
    pruned = prune(whole, data, share=0.5, config=config.model_copy(update={"epochs": 2}))
    before, after = accuracy(whole, data.validation), accuracy(pruned, data.validation)
    assert before > 0.9 and after > before - 0.04
    assert flops(pruned.runtime.model) < 0.5 * flops(model)

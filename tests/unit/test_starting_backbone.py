"""Where a retraining begins: the weights of a network that was trained before, below its head."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from vision.errors import ConfigError
from vision.model_config import ModelConfig
from vision.training.averaging import average_models, mirrored
from vision.training.backbone import Backbone
from vision.training.network import build_network
from vision.training.starting_backbone import starting_backbone
from vision.training_config import TrainConfig

MODEL = ModelConfig(name="reference_a")
SHAPE = (8, 8, 3)
TRAIN = TrainConfig()


def network(classes: int = 3, model: ModelConfig = MODEL) -> keras.Model:
    return build_network(model, SHAPE, classes, config=TRAIN)


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    return network()


def start(trained: keras.Model, *, classes: int = 3, model: ModelConfig = MODEL) -> Backbone:
    return starting_backbone(trained, model, SHAPE, classes, config=TRAIN)


def test_a_network_of_more_classes_begins_with_all_but_the_head(trained: keras.Model) -> None:
    larger = network(classes=5)

    start(trained, classes=5).put_into(larger)

    assert all(map(np.array_equal, Backbone.of(larger).weights, Backbone.of(trained).weights))
    assert larger.output_shape == (None, 5)


def test_test_time_augmentation_and_ensembles_are_looked_into(trained: keras.Model) -> None:
    expected = Backbone.of(trained).weights
    wrapped = mirrored(average_models([trained, network()], task="multi_class"), task="multi_class")

    for outer in (mirrored(trained, task="multi_class"), wrapped):
        assert all(map(np.array_equal, start(outer).weights, expected))


def test_another_network_is_no_start(trained: keras.Model) -> None:
    with pytest.raises(ConfigError, match="another network than residual"):
        start(trained, model=ModelConfig(name="residual", options={"filters": 4, "stages": 1}))


def test_a_network_that_is_not_divided_is_no_start() -> None:
    inputs = keras.Input(SHAPE)
    plain = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))

    with pytest.raises(ConfigError, match="no layer that divides"):
        start(plain)


def test_published_weights_are_not_asked_for(monkeypatch: pytest.MonkeyPatch, trained: keras.Model) -> None:
    monkeypatch.setattr("vision.training.network.build_pretrained", lambda *_, **__: pytest.fail("downloads"))
    model = MODEL.model_construct(name="reference_a", weights="imagenet", options={})

    assert start(trained, model=model).weights

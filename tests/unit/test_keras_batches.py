"""What Keras is given: every batch, in order, anew each epoch, by a pipeline that never pauses."""

import keras
import numpy as np
import pytest

from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.keras_batches import MOST_IMAGES, Slices, for_keras, images_at_a_time, predict
from vision.prepared import LabelledImages
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training.batches import Batches
from vision.training.fit import fit_model
from vision.training.trainer import Trainer
from vision.training_config import TrainConfig

ROWS = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1) * np.ones((1, 2, 2, 3), np.uint8)
on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's")


class Seen(Exception):
    """Enough was seen."""


class Counted(Slices):
    """Notes which batches it was asked for."""

    def __init__(self, images, batch_size):
        super().__init__(images, batch_size)
        self.asked = []

    def __getitem__(self, index):
        self.asked.append(index)
        return super().__getitem__(index)


@pytest.mark.parametrize("batch_size", [3, 10, 16])
def test_predict_answers_every_image_once_in_order(batch_size):
    inputs = keras.Input((2, 2, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    assert np.array_equal(predict(model, ROWS, batch_size=batch_size), ROWS.mean(axis=(1, 2)))


@pytest.mark.parametrize(
    ("device", "side", "expected"),
    [
        *(
            ("cpu:0", *each)
            for each in ((1, MOST_IMAGES), (64, MOST_IMAGES), (65, 248), (256, 16), (4096, 1))
        ),
        *(("gpu:0", *each) for each in ((1, MOST_IMAGES), (181, MOST_IMAGES), (256, 128), (4096, 1))),
    ],
)
def test_large_images_are_answered_few_at_a_time(monkeypatch, device, side, expected):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: [device])
    assert images_at_a_time(np.broadcast_to(np.uint8(0), (1000, side, side, 3))) == expected


@on_tensorflow
def test_a_network_is_never_asked_for_so_many_that_memory_ends():
    asked = []

    class Noted(keras.layers.Layer):
        def call(self, images):
            import tensorflow as tf

            return tf.py_function(lambda batch: asked.append(len(batch)) or batch, [images], images.dtype)

        def compute_output_shape(self, shape):
            return shape

    inputs = keras.Input((512, 512, 3))
    noted = Noted()(inputs)
    model = keras.Model(
        inputs, keras.layers.GlobalAveragePooling2D()(keras.ops.reshape(noted, (-1, 512, 512, 3)))
    )
    KerasRuntime(model).logits(np.zeros((10, 512, 512, 3), np.uint8))
    assert asked == [4, 4, 2]


@on_tensorflow
def test_each_epoch_asks_anew():
    batches = Counted(ROWS, 4)
    pipeline = for_keras(batches)
    assert int(pipeline.cardinality()) == len(batches) == 3
    batches.asked.clear()
    for _ in range(2):
        seen = np.concatenate([np.array(images) for (images,) in pipeline])
        assert np.array_equal(seen, ROWS) and seen.dtype == np.uint8
    assert batches.asked == [0, 1, 2] * 2


@on_tensorflow
def test_an_epoch_has_the_order_that_was_set_before_it():
    batches = Batches(ROWS, np.zeros((10, 1), np.float32), batch_size=2, seed=1)
    pipeline = for_keras(batches)
    orders = []
    for epoch in (0, 1, 0):
        batches.enter(epoch)
        orders.append([int(row) for (batch,) in pipeline for row in np.array(batch["images"])[:, 0, 0, 0]])
    assert orders[0] == orders[2] != orders[1]
    assert all(sorted(order) == list(range(10)) for order in orders)


@on_tensorflow
def test_the_pipeline_does_not_tune_itself():
    """By that it would sleep after an epoch; Keras' own do."""
    assert for_keras(Slices(ROWS, 4)).options().autotune.enabled is False


@on_tensorflow
def test_training_is_given_such_pipelines(monkeypatch):
    given = []

    def fit(trainer, batches, *, validation_data, **settings):
        given.extend((batches, validation_data))
        raise Seen

    monkeypatch.setattr(Trainer, "fit", fit)
    model = ARCHITECTURES["residual"].build((8, 8, 3), 2, filters=8, stages=1)
    data = LabelledImages(np.zeros((8, 8, 8, 3), np.uint8), np.arange(8) % 2)
    with pytest.raises(Seen):
        fit_model(model, data, data, policy=AugmentationPolicy(), config=TrainConfig(), seed=0)
    assert [pipeline.options().autotune.enabled for pipeline in given] == [False, False]

"""The same training on one device and on two, on either backend; prints how far apart the weights end.

A program of its own: the number of devices is decided before the backend starts.
"""

import json
import os
import sys

import keras
import numpy as np

from tests.behaviour.tiny import OFF, colours
from vision.training.devices import data_parallel, devices_sharing
from vision.training.fit import fit_model
from vision.training_config import TrainConfig

# Equal on any number of devices: batch norm would see halves of a batch on TensorFlow. 70 and 33 images, in
# batches of 15: neither is even.
CONFIG = TrainConfig(
    epochs=3, batch_size=15, optimizer="sgd", schedule="cosine", learning_rate=0.1, ema_decay=0.5
)


def make_two_devices():
    if keras.backend.backend() == "jax":
        os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
        return
    import tensorflow as tf

    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)


def network():
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Rescaling(1 / 127.5, offset=-1.0),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3),
    ]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers])


def fitted(batch_size):
    data = {"train": colours(70, 0), "validation": colours(33, 1)}
    config = CONFIG.model_copy(update={"batch_size": batch_size})
    return fit_model(network(), **data, policy=OFF, config=config, seed=3).model.get_weights()


def distance(first, second):
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


if __name__ == "__main__":
    make_two_devices()
    # One device gets the 14 that two make of 15.
    one, untrained = fitted(14), network().get_weights()
    with data_parallel():
        devices, two = devices_sharing(), fitted(15)
    with data_parallel():
        again = fitted(15)
    figures = {"moved": distance(one, untrained), "apart": distance(one, two), "again": distance(two, again)}
    sys.stdout.write(json.dumps({"devices": devices, **figures}))

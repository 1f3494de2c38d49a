"""The devices that train: one, or all of this machine, each with its share of every batch.

The only file of the training that speaks to TensorFlow, beside several_workers_exchange.py and
vision/keras_batches.py: Keras 3.15 has data parallelism of its own for JAX alone. CUDA_VISIBLE_DEVICES
chooses among the GPUs.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vision import keras_batches
from vision.errors import ConfigError
from vision.image_array import Pixels
from vision.training.several_workers import this_worker

# Both take nearly all of a GPU's memory at their start, which leaves nothing to a service beside them.
TAKE_MEMORY_AS_NEEDED = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
PROCESSOR = Path("/proc/cpuinfo")


@contextmanager
def data_parallel() -> Iterator[None]:
    """Networks built inside are copied to all GPUs, and `fit` gives each its share of every batch.

    With one device it changes nothing. Gradients are those of the whole batch. On JAX so are the statistics
    of batch norm; on TensorFlow each device has its own, and clips its own gradients. The devices need equal
    shares: see `shareable` and `predict`.
    """
    for name, value in TAKE_MEMORY_AS_NEEDED.items():
        os.environ.setdefault(name, value)  # read when the first GPU is asked for
    devices = tuple(keras.distribution.list_devices())
    if len(devices) == 1 or this_worker().count > 1:  # a worker has one, and sees those of the others
        yield
    elif _on_tensorflow():
        with _mirrored(devices).scope():
            yield
    else:
        with keras.distribution.DataParallel(devices=devices).scope():
            yield


def devices_sharing() -> int:
    """Among so many devices each batch is divided here: 1 outside `data_parallel`."""
    if _on_tensorflow():
        import tensorflow as tf

        return int(tf.distribute.get_strategy().num_replicas_in_sync)
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else int(distribution.num_model_replicas)


def shareable(batch_size: int) -> int:
    """The largest batch, up to `batch_size`, of which each device gets as many images; one each at least.

    Of several workers: each device of each.
    """
    devices = devices_sharing() * this_worker().count
    return max(batch_size // devices, 1) * devices


def predict(model: keras.Model, images: Pixels, *, batch_size: int) -> NDArray[Any]:
    """model.predict for any number of images (N, H, W, 3); the last comes again until shares are equal."""
    padded = np.concatenate([images, images[-1:].repeat(-len(images) % devices_sharing(), axis=0)])
    return keras_batches.predict(model, padded, batch_size=shareable(batch_size))[: len(images)]


def refuse_accumulation(batches: int) -> None:
    """Returns where the gradients of so many batches can make one step."""
    if batches > 1 and _on_tensorflow() and devices_sharing() > 1:
        raise ConfigError(
            f"train.accumulate is {batches}, but on TensorFlow {devices_sharing()} GPUs cannot gather the"
            " gradients of several batches; allowed is 1: set config.train.accumulate, or train on JAX, or on"
            " one GPU (CUDA_VISIBLE_DEVICES=0)"
        )


def accelerator() -> str:
    """What trains here, for the record: "1 x NVIDIA H200" or "2 cores of AMD EPYC 7763"."""
    devices = keras.distribution.list_devices()
    if devices[0].startswith("cpu"):
        from joblib import cpu_count  # knows of containers' shares

        return f"{cpu_count()} cores of {_processor()}"
    return f"{len(devices)} x {_name_of_device()}"


def _on_tensorflow() -> bool:
    return bool(keras.backend.backend() == "tensorflow")


@lru_cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    """One for the whole process: each new one counts its exchanges from 100, and meets those of the last."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


def _name_of_device() -> str:
    if _on_tensorflow():
        import tensorflow as tf

        device = tf.config.list_physical_devices("GPU")[0]
        return str(tf.config.experimental.get_device_details(device).get("device_name", "GPU"))
    import jax

    return str(jax.local_devices()[0].device_kind)


def _processor() -> str:
    lines = PROCESSOR.read_text().splitlines() if PROCESSOR.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())

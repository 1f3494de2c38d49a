"""CIFAR-10 on a GPU, by JAX: runs in .venv-jax, where there is no TensorFlow and no pipeline.

    KERAS_BACKEND=jax .venv-jax/bin/python -m benchmarks.cifar10_gpu [EPOCHS IMAGES]

EPOCHS and IMAGES cut it short, to see that it runs; then nothing is written.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.cifar10_arrays import divided, read_cifar10
from benchmarks.record import ROOT, table, write_section
from vision.config_file import load_config
from vision.training.averaging import mirrored
from vision.training.devices import accelerator
from vision.training.train import TrainingPlan, train_network

CONFIG = ROOT / "configs" / "cifar10-gpu.yaml"


def main(limits: list[str]) -> None:
    config = load_config(CONFIG)
    epochs, images = (int(limit) for limit in limits) if limits else (config.train.epochs, 50_000)
    data, _ = divided(read_cifar10("train"), images)
    validation, train = divided(data, round(config.split.validation * images))
    recipe = config.train.model_copy(update={"epochs": epochs})
    plan = TrainingPlan(config.model, recipe, config.augment, config.seed)
    result = train_network(plan, train, validation, num_classes=10)
    test, _ = divided(read_cifar10("test"), images)
    answers = mirrored(result.model, task="multi_class").predict(test.images, batch_size=500, verbose=0)
    accuracy = float((np.asarray(answers).argmax(axis=1) == test.labels).mean())
    rows = [(f"{accuracy:.4f}", f"{result.seconds:.1f}", f"{result.images_per_second:,.0f}")]
    text = table(("test accuracy", "seconds of training", "images a second"), rows)
    if limits:
        print(text)
    else:
        write_section("cifar10-gpu", text, device=accelerator())


if __name__ == "__main__":
    main(sys.argv[1:])

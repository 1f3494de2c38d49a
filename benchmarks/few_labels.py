"""What pre-training without labels is worth: CIFAR-10 with labels for 1 % and 10 % of its images."""

from __future__ import annotations

import keras
import numpy as np

from benchmarks.cifar10_arrays import divided, read_cifar10
from benchmarks.record import table, write_section
from vision.augmentation_policy import AugmentationPolicy
from vision.model_config import ModelConfig
from vision.prepared import LabelledImages
from vision.training.backbone import Backbone
from vision.training.network import build_network
from vision.training.self_supervised import pretrain
from vision.training.train import TrainingPlan, train_network
from vision.training_config import PretrainConfig, TrainConfig

MODEL = ModelConfig(name="fast", options={"width": 32, "widest": 128})
POLICY = AugmentationPolicy(rotation_degrees=0, zoom=0, brightness=0.2, shift=0.0625)
PRETRAIN = PretrainConfig(method="simclr", epochs=6, batch_size=256)
VALIDATION_IMAGES = 1000
SHARES = (0.01, 0.1)
STEPS = 1000  # of the training with labels, whatever their number
BATCH_SIZE = 64


def main() -> None:
    data, test = read_cifar10("train"), read_cifar10("test")
    validation, rest = divided(data, VALIDATION_IMAGES)
    network = build_network(MODEL, (32, 32, 3), 10, config=TrainConfig(), train_images=rest.images)
    result = pretrain(network, rest.images, config=PRETRAIN, policy=POLICY, seed=1)
    backbone = Backbone.of(network)
    rows = []
    for share in SHARES:
        labelled, _ = divided(rest, round(share * len(data.images)))
        epochs = max(1, STEPS * BATCH_SIZE // len(labelled.images))
        scores = [_accuracy(start, epochs, labelled, validation, test) for start in (Backbone(), backbone)]
        rows.append((f"{share:.0%}", len(labelled.images), *(f"{score:.4f}" for score in scores)))
    head = ("labels", "labelled images", "from random weights", f"after {PRETRAIN.method} on all")
    text = f"{PRETRAIN.epochs} epochs of pre-training took {result.seconds:.0f} s."
    write_section("few-labels", f"{table(head, rows)}\n\n{text}")


def _accuracy(
    backbone: Backbone, epochs: int, train: LabelledImages, validation: LabelledImages, test: LabelledImages
) -> float:
    config = TrainConfig(
        epochs=epochs, batch_size=BATCH_SIZE, optimizer="adamw", learning_rate=1e-3, weight_decay=0.05,
        schedule="cosine", label_smoothing=0.1, early_stopping_patience=None,
    )  # fmt: skip
    plan = TrainingPlan(MODEL, config, POLICY, seed=1, backbone=backbone)
    model: keras.Model = train_network(plan, train, validation, num_classes=10).model
    answers = model.predict(np.asarray(test.images), batch_size=500, verbose=0).argmax(axis=1)
    return float((answers == test.labels).mean())


if __name__ == "__main__":
    main()

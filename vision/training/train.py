"""One architecture, trained on prepared images, as a classifier."""

from __future__ import annotations

import keras

from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier
from vision.config import ModelConfig, TrainConfig
from vision.prepared import PreparedImages
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training.fit import EpochLog, fit_model
from vision.training.record import TrainingRecord


def train_classifier(
    prepared: PreparedImages,
    *,
    policy: AugmentationPolicy,
    model: ModelConfig,
    config: TrainConfig,
    seed: int,
    on_epoch: EpochLog = lambda epoch, metrics: None,
) -> tuple[ImageClassifier, TrainingRecord]:
    """A classifier with the weights of its best epoch, uncalibrated, and how its training went."""
    keras.utils.set_random_seed(seed)
    image_shape = (*prepared.preprocessing.image_size, 3)
    num_classes = len(prepared.class_names)
    network = ARCHITECTURES[model.name].build(image_shape, num_classes, **model.options)
    result = fit_model(
        network,
        prepared.labelled("train"),
        prepared.labelled("validation"),
        policy=policy,
        config=config,
        seed=seed,
        on_epoch=on_epoch,
    )
    classifier = ImageClassifier(KerasRuntime(network), prepared.preprocessing, prepared.class_names)
    record = TrainingRecord(
        architecture=model.name,
        parameters=network.count_params(),
        history={name: tuple(values) for name, values in result.history.items()},
        seconds=result.seconds,
        images_per_second=result.images_per_second,
    )
    return classifier, record

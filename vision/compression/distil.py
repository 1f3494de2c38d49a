"""Knowledge distillation: a small network learns to answer as a large one does (Hinton et al. 2015).

It pays where a student that learns from the labels alone stays well behind the teacher: a fast network beside
a large one, and above all beside an ensemble or a mirrored network, whose answers cost several passes. It
costs one answer of the teacher for each training image and epoch, and it wants patience: more epochs than the
labels alone, and strong augmentation (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient
and consistent"). It gains little where the student alone is as good as the teacher, where there are few
classes, so that answers say little more than labels, and where the teacher is so much larger that the student
cannot follow: the best teacher is often not the largest (Cho & Hariharan 2019, "On the efficacy of knowledge
distillation"). A teacher of smoothed labels teaches worse (Mueller et al. 2019, "When does label smoothing
help?"). Compare with the same network trained alone before it is kept.
"""

from __future__ import annotations

from pathlib import Path

import keras

from vision.classifier import ImageClassifier
from vision.compression.data import CompressionData
from vision.errors import ConfigError
from vision.model_config import ModelConfig
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training.averaging import with_views
from vision.training.devices import data_parallel
from vision.training.fit import fit_model
from vision.training.network import as_float32, build_network
from vision.training.precision import dtype_policy, in_precision
from vision.training.teacher import Teacher
from vision.training_config import TrainConfig


def distil(
    classifier: ImageClassifier,
    data: CompressionData,
    *,
    student: ModelConfig,
    config: TrainConfig,
    checkpoint: Path | None = None,
) -> ImageClassifier:
    """The `student`, uncalibrated, after a training by the answers of `classifier` and, a little, by labels.

    The teacher's logits are taken as they are, without its temperature. The student starts from the weights
    that a training alone with this seed starts from, and its best epoch is chosen by the validation labels.
    It is mirrored only where `config.test_time_augmentation` says so. A killed call goes on from
    `checkpoint`, a folder. ConfigError for a teacher that is no Keras model, for `config.fine_tune`, and for
    a student that cannot be built.
    """
    model = _keras_model(classifier)
    _refuse_phases(config)
    _, height, width, channels = data.training.images.shape
    image_shape, classes = (height, width, channels), len(classifier.class_names)
    with data_parallel():
        # A copy, of which each device has its own.
        teacher = Teacher(in_precision(model, dtype_policy(config.precision)), classifier.task)
        keras.utils.set_random_seed(data.seed)
        network = build_network(
            student, image_shape, classes, config=config, train_images=data.training.images
        )
        fit_model(
            network, data.training, data.validation,
            policy=data.policy, config=config, seed=data.seed, checkpoint=checkpoint, teacher=teacher,
        )  # fmt: skip
    network = as_float32(network, student, image_shape, classes)
    network = with_views(network, config.test_time_augmentation, task=classifier.task)
    return ImageClassifier(
        KerasRuntime(network), classifier.preprocessing, classifier.class_names, task=classifier.task
    )


def _keras_model(classifier: ImageClassifier) -> keras.Model:
    if isinstance(classifier.runtime, KerasRuntime):
        return classifier.runtime.model
    raise ConfigError(
        f"distillation received a teacher on {classifier.runtime.name} ({classifier.runtime.precision}),"
        " allowed is keras: it answers inside the training step, to augmented images; take the classifier as"
        " it was before its conversion"
    )


def _refuse_phases(config: TrainConfig) -> None:
    if config.fine_tune is not None:
        raise ConfigError(
            "a student is trained from end to end, with or without pretrained weights, but train.fine_tune"
            " is set, which trains in phases; allowed for distillation is null: set fine_tune, or another"
            " recipe, in config.compress.distil.train"
        )

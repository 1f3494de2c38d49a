"""The versions of the simulated month: what they learn from, their training, what they make of images."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.month_stream import joined
from vision.augmentation_policy import AugmentationPolicy
from vision.calibration import calibrate_classifier
from vision.classifier import ImageClassifier
from vision.drift.answering import Answering
from vision.drift.embedding import embed
from vision.drift.profile import Profile
from vision.drift.properties import see_images
from vision.exporting.converters import export_saved_model, mark_features, to_litert
from vision.image_array import ImageArray
from vision.model_config import ModelConfig
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training.backbone import Backbone
from vision.training.starting_backbone import starting_backbone
from vision.training.train import TrainingPlan, train_network
from vision.training_config import TrainConfig

SEED = 1
MODEL = ModelConfig(name="fast", options={"width": 32, "widest": 128})
POLICY = AugmentationPolicy(
    rotation_degrees=0, zoom=0, brightness=0, horizontal_flip=True, shift=0.0625
)  # as configs/cifar10-fast.yaml
FIRST = TrainConfig(recipe="fast", epochs=3)
AGAIN = TrainConfig(recipe="fast", epochs=2, learning_rate=0.1)
REVIEW_SHARES = (0.6, 0.8)  # of reviewed images: train up to here, validation up to there, the rest judges
# A few hundred beside 25,000 would hardly be seen in two epochs.
REPEATS = 10


@dataclass(frozen=True)
class Data:
    """Nothing that judges was ever learned from."""

    train: LabelledImages
    validation: LabelledImages
    judge: LabelledImages

    def with_reviewed(self, reviewed: LabelledImages) -> Data:
        """Each reviewed image goes to one of the three; those to learn from count REPEATS times."""
        cuts = [round(share * len(reviewed.labels)) for share in REVIEW_SHARES]
        images, labels = np.split(reviewed.images[:], cuts), np.split(reviewed.labels, cuts)
        train, validation, judge = map(LabelledImages, images, labels)
        return Data(
            joined(self.train, *[train] * REPEATS),
            joined(self.validation, validation),
            joined(self.judge, judge),
        )


@dataclass(frozen=True)
class Trained:
    """A version: as it serves, the network that it was made of, and its view of the validation images."""

    classifier: ImageClassifier
    network: keras.Model
    reference: Profile

    def answer(self, images: ImageArray) -> NDArray[np.intp]:
        return self.classifier.predict(images).argmax(axis=1)


def train(
    data: Data, class_names: Sequence[str], *, config: TrainConfig, begin: keras.Model | None = None
) -> Trained:
    """A version of the classes that the data has, in which they are numbered without a gap."""
    classes = 1 + int(max(part.labels.max() for part in (data.train, data.validation)))
    shape = data.train.images.shape[1:]
    plan = TrainingPlan(MODEL, config, POLICY, SEED, backbone=Backbone())
    if begin is not None:
        plan = replace(plan, backbone=starting_backbone(begin, MODEL, shape, classes, config=config))
    network = train_network(plan, data.train, data.validation, num_classes=classes).model
    with tempfile.TemporaryDirectory() as folder:
        runtime = to_litert(export_saved_model(network, Path(folder)))
    runtime = mark_features(runtime, KerasRuntime(network).split(), data.validation.images[:8])
    bare = ImageClassifier(runtime, Preprocessing(image_size=shape[:2]), tuple(class_names[:classes]))
    classifier = calibrate_classifier(bare, data.validation, seed=SEED)
    return Trained(classifier, network, profile(classifier, data.validation.images, data.validation.labels))


def profile(
    classifier: ImageClassifier, images: ImageArray, labels: NDArray[np.int64] | None = None
) -> Profile:
    """As monitoring makes it of a day's answers, or, with labels, of the validation images."""
    judgement = classifier.judge(classifier.logits(images))
    rules = classifier.uncertainty
    assert rules and rules.sets, "it was calibrated"
    nothing = np.zeros(0, np.bool_)
    rows = np.arange(len(images))
    return Profile(
        probabilities=judgement.probabilities,
        energy=judgement.energy,
        right=nothing if labels is None else judgement.probabilities.argmax(axis=1) == labels,
        covered=nothing if labels is None else judgement.sets[rows, labels],
        properties=see_images(encoded(images), classifier.preprocessing).properties,
        embeddings=embed(classifier, images),
        answering=Answering(classifier.class_names, coverage=rules.sets.coverage),
    )


def encoded(images: ImageArray) -> list[bytes]:
    """As PNG, which loses nothing."""
    return [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in images[:]]

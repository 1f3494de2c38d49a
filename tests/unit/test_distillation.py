"""A student takes over what its teacher knows; neither the teacher nor a plain training changes."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.special import expit, log_softmax, rel_entr, softmax

from tests.behaviour.tiny import (
    MIXING,
    OFF,
    bright_channels,
    colours,
    convolutional,
    equal_weights,
    linear,
)
from vision.classifier import ImageClassifier
from vision.compression.data import CompressionData
from vision.compression.distil import distil
from vision.errors import ConfigError
from vision.model_config import ModelConfig
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training import checkpoint as checkpoint_module
from vision.training.averaging import MIRRORED, average_models, mirrored
from vision.training.fit import fit_model
from vision.training.network import build_network
from vision.training.objective import Objective, training_targets
from vision.training.teacher import Teacher, soft_loss
from vision.training.trainer import Trainer
from vision.training_config import TrainConfig

STUDENT = ModelConfig(name="residual", options={"filters": 8, "stages": 1})
CONFIG = TrainConfig(epochs=12, batch_size=16, learning_rate=0.02, early_stopping_patience=None)
SHORT = CONFIG.model_copy(update={"epochs": 1})
TEACHER_LOGITS = np.array([[4, 0, -4], [1, 2, 3], [-8, 8, 0]], np.float32)
STUDENT_LOGITS = np.array([[1, 0, 3], [0, 0, 0], [-4, 12, 1]], np.float32)
# By the formula, with SciPy: temperature 4, so its square 16.
DIVERGENCE = 16 * rel_entr(softmax(TEACHER_LOGITS / 4, 1), softmax(STUDENT_LOGITS / 4, 1)).sum(1).mean()


def classifier_of(model, task="multi_class", **more):
    height, width = model.input_shape[1:3]
    preprocessing = Preprocessing(image_size=(height, width))
    return ImageClassifier(KerasRuntime(model), preprocessing, ("r", "g", "b"), task=task, **more)


def data_of(training, validation, policy=OFF):
    return CompressionData(training, validation, training.images[:2], policy, seed=3)


def trainer_of(model, teacher, policy=OFF):
    objective = Objective(
        keras.losses.CategoricalCrossentropy(from_logits=True), keras.metrics.CategoricalAccuracy()
    )
    return Trainer(
        model, policy, seed=1, objective=objective, optimizer=keras.optimizers.SGD(), teacher=teacher
    )


@pytest.fixture(scope="module")
def teacher():
    """It knows the colours from labels that are right; its batch norm has statistics."""
    model = convolutional(stages=2, filters=8)
    fit_model(model, colours(96, 0), colours(32, 1), policy=OFF, config=CONFIG, seed=3)
    return classifier_of(model, temperature=2.5)


@pytest.fixture(scope="module")
def student(teacher):
    """Its own training images have labels that say nothing."""
    images = colours(96, 2)
    shuffled = LabelledImages(images.images, np.random.default_rng(0).permutation(images.labels))
    before = teacher.runtime.model.get_weights()
    result = distil(teacher, data_of(shuffled, colours(32, 1)), student=STUDENT, config=CONFIG)
    after = teacher.runtime.model.get_weights()
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))
    return result


def test_soft_loss_of_one_class_an_image_is_the_divergence_at_the_temperature():
    assert float(soft_loss(TEACHER_LOGITS, STUDENT_LOGITS, "multi_class")) == pytest.approx(DIVERGENCE, 1e-5)
    assert float(soft_loss(TEACHER_LOGITS, TEACHER_LOGITS, "multi_class")) == pytest.approx(0, abs=1e-5)


def test_soft_loss_of_several_labels_is_the_mean_over_images_and_labels():
    there, said = expit(TEACHER_LOGITS / 4), expit(STUDENT_LOGITS / 4)
    expected = 16 * (rel_entr(there, said) + rel_entr(1 - there, 1 - said)).mean()
    assert float(soft_loss(TEACHER_LOGITS, STUDENT_LOGITS, "multi_label")) == pytest.approx(expected, 1e-5)


def test_training_weighs_teacher_and_labels_and_validation_has_labels_alone():
    """L2 keeps its whole weight: 0.5 * 3 * 1 of a kernel (3, 1) of ones is not in either share."""
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.5))]
    )
    model.set_weights([np.ones((3, 1)), np.zeros(1)])
    trainer = trainer_of(model, Teacher(model, "multi_class"))
    outputs = {"logits": STUDENT_LOGITS, "targets": np.eye(3, dtype="float32"), "teacher": TEACHER_LOGITS}
    labels = -np.diag(log_softmax(STUDENT_LOGITS, axis=1)).mean()
    losses = [float(trainer.compute_loss(y_pred=outputs, training=training)) for training in (True, False)]
    assert losses == pytest.approx([0.9 * DIVERGENCE + 0.1 * labels + 1.5, labels + 1.5], 1e-5)


def test_teacher_sees_the_very_images_that_the_student_sees():
    """Equal networks: what is drawn for noise, erasing and mixing is the same for both."""
    model, data = linear(), colours(8, 0)
    policy = MIXING.model_copy(update={"noise": 0.2, "erasing": 1.0})
    batch = {"images": data.images, "targets": training_targets(data.labels, 3)}
    trainer = trainer_of(model, Teacher(model, "multi_class"), policy)
    outputs = trainer(batch, training=True)
    np.testing.assert_array_equal(outputs["teacher"], outputs["logits"])
    assert not np.allclose(outputs["logits"], model.predict(data.images, verbose=0))
    assert "teacher" not in trainer(batch, training=False)


def test_teacher_is_not_trained_and_not_in_the_checkpoint(teacher):
    model = convolutional(stages=1)
    trainer = trainer_of(model, Teacher(teacher.runtime.model, "multi_class"))
    assert len(trainer.trainable_variables) == len(model.trainable_variables)
    own = {id(variable) for variable in trainer.variables}
    assert own.isdisjoint(id(variable) for variable in teacher.runtime.model.variables)


def test_student_learns_what_its_labels_do_not_say(teacher, student):
    """The labels of its training images are shuffled; 1/3 would agree by chance."""
    unseen = colours(200, 9)
    answers = student.predict(unseen.images).argmax(1)
    assert np.mean(answers == teacher.predict(unseen.images).argmax(1)) > 0.95
    assert np.mean(answers == unseen.labels) > 0.9


def test_student_is_smaller_uncalibrated_and_comes_back_from_disk(teacher, student, tmp_path):
    student.save(tmp_path / "student")
    loaded = ImageClassifier.load(tmp_path / "student")
    images = colours(8, 9).images
    np.testing.assert_allclose(loaded.predict(images), student.predict(images), atol=1e-6)
    assert student.runtime.model.count_params() < teacher.runtime.model.count_params()
    assert student.runtime.model.name != MIRRORED
    assert replace(student, runtime=teacher.runtime) == replace(teacher, temperature=1.0)


def test_student_of_several_labels_takes_over_each_of_them():
    """A channel is 60 or 160 bright, the teacher's logit of it -8 or 8; the labels say the contrary."""
    train, validation = bright_channels(96, 0), bright_channels(32, 1)
    model = linear()
    model.set_weights([20 * np.eye(3), np.full(3, 2.75)])
    teacher = classifier_of(model, "multi_label", thresholds=(0.4, 0.5, 0.6))
    wrong = LabelledImages(train.images, 1 - train.labels)
    student = distil(teacher, data_of(wrong, validation), student=STUDENT, config=CONFIG)
    unseen = bright_channels(100, 9)
    present = student.predict(unseen.images) > 0.5
    assert np.mean(present == (teacher.predict(unseen.images) > 0.5)) > 0.9
    assert (student.task, student.thresholds) == ("multi_label", ())


def test_mirrored_ensemble_teaches_while_images_grow():
    """Its first images have 8 pixels a side, the teacher takes 16; `config` has the student mirrored too."""
    members = [build_network(STUDENT, (16, 16, 3), 3, config=SHORT) for _ in range(2)]
    teacher = classifier_of(mirrored(average_models(members, task="multi_class"), task="multi_class"))
    data = data_of(colours(16, 0, side=16), colours(8, 1, side=16), MIXING)
    config = SHORT.model_copy(update={"first_size_share": 0.5, "test_time_augmentation": "flip"})
    result = distil(teacher, data, student=STUDENT, config=config)
    assert result.runtime.model.name == MIRRORED
    flipped = data.training.images[:, :, ::-1]
    np.testing.assert_allclose(result.predict(flipped), result.predict(data.training.images), atol=1e-5)


class Killed(Exception):
    """Stands for the end of the process."""


class Killer(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Killed


def taught(teacher, folder, callback):
    config = CONFIG.model_copy(update={"epochs": 4})
    return fit_model(
        linear(), colours(48, 0), colours(16, 1),
        policy=MIXING, config=config, seed=3, callbacks=[callback], checkpoint=folder, teacher=teacher,
    )  # fmt: skip


def test_killed_distillation_goes_on_and_another_teacher_starts_anew(teacher, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint_module, "SECONDS_BETWEEN_WRITES", 0.0)
    monkeypatch.setattr(checkpoint_module, "SHARE_OF_TIME", float("inf"))
    known = Teacher(teacher.runtime.model, "multi_class")
    unbroken = taught(known, None, Killer(None))
    with pytest.raises(Killed):
        taught(known, tmp_path, Killer(2))
    resumed = taught(known, tmp_path, Killer(0))  # which epoch it does not begin again
    assert equal_weights(resumed.model, unbroken.model)
    assert resumed.history == unbroken.history
    for other in (Teacher(linear(seed=9), "multi_class"), None):
        with pytest.raises(Killed):
            taught(other, tmp_path, Killer(0))


def test_one_training_image_is_enough(teacher):
    distilled = distil(teacher, data_of(colours(1, 0), colours(1, 1)), student=STUDENT, config=SHORT)
    assert distilled.predict(colours(2, 9).images).shape == (2, 3)


class ConvertedRuntime:
    name, precision = "litert", "int8"


def test_converted_classifier_cannot_teach(teacher):
    converted = replace(teacher, runtime=ConvertedRuntime())
    with pytest.raises(ConfigError, match=r"on litert \(int8\), allowed is keras.*before its conversion"):
        distil(converted, data_of(colours(4, 0), colours(4, 1)), student=STUDENT, config=SHORT)


def test_training_in_phases_is_refused(teacher):
    config = TrainConfig(recipe="fine_tune")
    with pytest.raises(ConfigError, match=r"train\.fine_tune is set.*allowed for distillation is null"):
        distil(teacher, data_of(colours(4, 0), colours(4, 1)), student=STUDENT, config=config)


def test_student_without_a_name_in_the_table_is_refused():
    with pytest.raises(ValueError, match=r'unknown architecture "resnt": choose one of cbam, .*resnet18'):
        ModelConfig(name="resnt")

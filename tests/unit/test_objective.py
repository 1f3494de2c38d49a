"""Losses and weights of classes against other libraries, the papers' formulas and hand-worked values."""

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from vision.errors import ConfigError
from vision.training.objective import LARGEST_WEIGHT, build_objective, score_name, training_targets
from vision.training_config import TrainConfig

ONE_CLASS = np.array([0, 0, 0, 1, 1, 2])
SEVERAL = np.array([[1, 0], [1, 0], [1, 1], [0, 0]])
LOGITS = np.array([[2.0, -1.0], [-0.5, 3.0], [0.0, 0.3]], np.float32)
PRESENT = np.array([[1, 0], [0, 0], [1, 1]], np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def loss_of(config, labels, targets, logits):
    """Of each image (N,)."""
    objective = build_objective(config, labels, logits.shape[1])
    return keras.ops.convert_to_numpy(objective.loss.call(targets, keras.ops.convert_to_tensor(logits)))


def test_targets_of_classes_are_one_hot_and_labels_stay_as_they_are():
    assert training_targets(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert training_targets(SEVERAL, 2).tolist() == SEVERAL.tolist()
    assert training_targets(SEVERAL, 2).dtype == np.float32


def test_score_depends_on_the_kind_of_labels():
    for labels, name in ((ONE_CLASS, "accuracy"), (SEVERAL, "average_precision")):
        objective = build_objective(TrainConfig(), labels, labels.max() + 1)
        assert objective.score.name == score_name(labels) == name


def test_balanced_weights_are_those_of_scikit_learn():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=ONE_CLASS)
    weights = build_objective(TrainConfig(class_weights="balanced"), ONE_CLASS, 3).class_weights
    assert weights == pytest.approx(expected)
    assert build_objective(TrainConfig(), ONE_CLASS, 3).class_weights is None


def test_balanced_weights_of_missing_and_of_rarest_classes_are_bounded():
    labels = np.array([0] * 999 + [1])
    weights = build_objective(TrainConfig(class_weights="balanced"), labels, 3).class_weights
    assert weights.tolist() == pytest.approx([1000 / (3 * 999), LARGEST_WEIGHT, 1.0])


def test_cross_entropy_smooths_labels():
    """Targets of two classes and smoothing 0.2: 0.9 and 0.1."""
    logits = np.array([[np.log(3.0), 0.0]], np.float32)
    loss = loss_of(TrainConfig(label_smoothing=0.2), np.array([0, 1]), np.array([[1.0, 0.0]]), logits)
    assert loss == pytest.approx([-0.9 * np.log(0.75) - 0.1 * np.log(0.25)])


def test_focal_loss_of_classes_is_that_of_the_paper():
    """Lin et al. 2017, equation 4: -(1 - p)^gamma log p of the true class."""
    logits = np.array([[np.log(3.0), 0.0]], np.float32)
    config = TrainConfig(loss="focal", focal_gamma=2.0)
    loss = loss_of(config, np.array([0, 1]), np.array([[1.0, 0.0]]), logits)
    assert loss == pytest.approx([-(0.25**2) * np.log(0.75)], rel=1e-5)


def test_focal_loss_of_labels_is_that_of_the_paper():
    right = np.where(PRESENT, sigmoid(LOGITS), 1 - sigmoid(LOGITS))
    expected = (-((1 - right) ** 3) * np.log(right)).mean(axis=1)
    config = TrainConfig(loss="focal", focal_gamma=3.0)
    assert loss_of(config, SEVERAL, PRESENT, LOGITS) == pytest.approx(expected, rel=1e-4)


def test_asymmetric_loss_is_that_of_the_paper():
    """Ridnik et al. 2021, equations 4 to 6 with gamma+ 0, gamma- 4, margin 0.05."""
    p = sigmoid(LOGITS)
    shifted = np.maximum(p - 0.05, 0)
    expected = -np.where(PRESENT, np.log(p), shifted**4 * np.log(1 - shifted)).mean(axis=1)
    loss = loss_of(TrainConfig(loss="asymmetric"), SEVERAL, PRESENT, LOGITS)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_asymmetric_loss_is_finite_for_certain_logits():
    logits = np.array([[-200.0, 200.0]], np.float32)
    loss = loss_of(TrainConfig(loss="asymmetric"), SEVERAL, np.array([[1.0, 0.0]]), logits)
    assert loss == pytest.approx([(200 - 0.95**4 * np.log(0.05)) / 2])


def test_balanced_labels_weigh_negatives_over_positives():
    """3 of 4 images have the first label, 1 of 4 the second: 1/3 and 3."""
    p = sigmoid(LOGITS)
    expected = -np.where(PRESENT, np.array([1 / 3, 3.0]) * np.log(p), np.log(1 - p)).mean(axis=1)
    loss = loss_of(TrainConfig(class_weights="balanced"), SEVERAL, PRESENT, LOGITS)
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("changes", [{}, {"class_weights": "balanced"}])
def test_labels_are_smoothed_as_keras_does_it(changes):
    """With as many images with a label as without, all weights are 1."""
    even = np.array([[1, 0], [0, 1]])
    expected = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1, reduction="none")
    loss = loss_of(TrainConfig(label_smoothing=0.1, **changes), even, PRESENT, LOGITS)
    assert loss == pytest.approx(np.array(expected(PRESENT, LOGITS)), rel=1e-5)


def test_asymmetric_loss_smooths_labels():
    """Half of 0.2 to either answer: 0.9 of the loss of a label that is there, 0.1 of one that is not."""
    logit, there, missing = np.array([[1.0]], np.float32), np.array([[1.0]]), np.array([[0.0]])
    plain, labels = TrainConfig(loss="asymmetric"), np.array([[1], [0]])
    smoothed = TrainConfig(loss="asymmetric", label_smoothing=0.2)
    expected = 0.9 * loss_of(plain, labels, there, logit) + 0.1 * loss_of(plain, labels, missing, logit)
    assert loss_of(smoothed, labels, there, logit) == pytest.approx(expected, rel=1e-5)


def test_asymmetric_loss_of_one_class_an_image_is_refused():
    with pytest.raises(ConfigError, match=r"cross_entropy and focal; set config\.train\.loss"):
        build_objective(TrainConfig(loss="asymmetric"), ONE_CLASS, 3)


@pytest.mark.parametrize("loss", ["focal", "asymmetric"])
def test_balanced_labels_with_a_loss_that_balances_are_refused(loss):
    with pytest.raises(ConfigError, match=r"set config\.train\.loss"):
        build_objective(TrainConfig(loss=loss, class_weights="balanced"), SEVERAL, 2)

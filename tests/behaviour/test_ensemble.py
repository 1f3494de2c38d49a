"""Ensembles and test-time augmentation: one network that answers like the mean of several."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from vision.augmentation_policy import AugmentationPolicy
from vision.classifier import ImageClassifier, sigmoid, softmax
from vision.compression.candidates import convert
from vision.errors import ConfigError, DataError
from vision.image_array import ShardedImages
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.runtimes import keras_runtime
from vision.runtimes.keras_features import feature_map
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training.averaging import average_models, behind_mirror, copy_of, is_shifted, mirrored
from vision.training.ensemble import for_snapshots, greedy_soup, train_ensemble
from vision.training.fit import TrainingResult, fit_model
from vision.training.validation import Validation
from vision.training_config import EnsembleConfig, FineTuneConfig, TrainConfig

OFF = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, shift=0, brightness=0)
TASKS = {"multi_class": softmax, "multi_label": sigmoid}


def colours(count, seed):
    """Images whose class is the brightest channel."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = random.integers(0, 120, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 100
    return LabelledImages(images, labels)


def network_of(seed):
    """With weights that answer differently for different images, and for their mirror images."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(6, 5, activation="relu")(x))
    x = keras.layers.Dense(3, name="logits")(keras.layers.Flatten(name="features")(x))
    return keras.Model(inputs, x, name="network")


def probabilities(network, images, task):
    return TASKS[task](network.predict(images, verbose=0))


@pytest.mark.parametrize("task", TASKS)
def test_the_average_of_models_has_the_mean_of_their_probabilities(task):
    networks, images = [network_of(seed) for seed in range(3)], colours(20, 1).images
    expected = np.mean([probabilities(each, images, task) for each in networks], axis=0)
    average = average_models(networks, task=task)
    assert probabilities(average, images, task) == pytest.approx(expected, abs=1e-6)
    assert average.predict(images[:1], verbose=0).shape == (1, 3)


@pytest.mark.parametrize("task", TASKS)
def test_a_mirrored_model_has_the_mean_over_image_and_mirror_image(task):
    network, images = network_of(1), colours(20, 1).images
    both = [probabilities(network, images, task), probabilities(network, images[:, :, ::-1], task)]
    view = mirrored(network, task=task)
    assert not np.allclose(*both, atol=1e-3)
    assert probabilities(view, images, task) == pytest.approx(np.mean(both, axis=0), abs=1e-6)
    assert view.count_params() == network.count_params()


@pytest.mark.parametrize("task", TASKS)
def test_a_shifted_model_has_the_mean_over_six_views(task):
    network, images = network_of(1), colours(20, 1).images
    height, width = images.shape[1:3]

    def shifted(images: np.ndarray) -> list[np.ndarray]:
        padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
        return [padded[:, place : place + height, place : place + width] for place in (0, 1, 2)]

    views = [*shifted(images), *shifted(images[:, :, ::-1])]
    expected = np.mean([probabilities(network, view, task) for view in views], axis=0)
    six = mirrored(network, task=task, shifted=True)
    assert probabilities(six, images, task) == pytest.approx(expected, abs=1e-6)
    assert is_shifted(six) and not is_shifted(mirrored(network, task=task)) and not is_shifted(network)
    assert behind_mirror(six).count_params() == six.count_params()


@pytest.mark.parametrize("task", TASKS)
def test_certain_members_give_finite_logits(task):
    """Of probabilities that float32 rounds to 0 and to 1."""
    network = network_of(1)
    network.get_layer("logits").set_weights([np.zeros((96, 3)), np.array([200.0, 0.0, -200.0])])
    logits = average_models([network, network], task=task).predict(colours(3, 1).images, verbose=0)
    assert np.isfinite(logits).all()
    assert (logits[:, 0] > logits[:, 2]).all()


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_a_mirrored_ensemble_is_saved_and_loaded_in_safe_mode(task, shifted, tmp_path):
    network = mirrored(average_models([network_of(1), network_of(2)], task=task), task=task, shifted=shifted)
    images = colours(8, 1).images
    KerasRuntime(network).save(tmp_path)
    loaded = keras_runtime.load(tmp_path, "float32")
    assert loaded.logits(images) == pytest.approx(network.predict(images, verbose=0), abs=1e-5)


def test_grad_cam_finds_no_feature_map_in_them():
    """So that explanations fall back to occlusion, rather than to the mirror image."""
    average = average_models([network_of(1), network_of(2)], task="multi_class")
    for network in (
        average,
        mirrored(average, task="multi_class"),
        mirrored(network_of(1), task="multi_class"),
    ):
        assert feature_map(network) is None


def classifier_of(network, task="multi_class"):
    preprocessing = Preprocessing(image_size=(8, 8))
    return ImageClassifier(KerasRuntime(network), preprocessing, ("r", "g", "b"), task=task)


def test_an_ensemble_gives_soft_targets_like_any_classifier():
    networks, images = [network_of(1), network_of(2)], colours(9, 1).images
    teacher = classifier_of(average_models(networks, task="multi_class")).with_temperature(2.0)
    targets = teacher.predict(images)
    assert targets.sum(axis=1) == pytest.approx(np.ones(9), abs=1e-5)
    assert ((targets > 0) & (targets < 1)).all()


@pytest.mark.parametrize("task", ["multi_class", pytest.param("multi_label", marks=pytest.mark.slow)])
def test_a_mirrored_ensemble_answers_alike_on_every_runtime(task):
    train, images = colours(48, 0), colours(60, 1).images
    members = [trained(seed, train).model for seed in (1, 2)]
    network = mirrored(average_models(members, task=task), task=task)
    expected = classifier_of(network, task).predict(images)
    for candidate in convert(classifier_of(network, task), train.images, ("litert", "openvino")):
        received = candidate.predict(images)
        tolerance = 1e-4 if candidate.runtime.precision == "float32" else 0.15
        assert received == pytest.approx(expected, abs=tolerance), candidate.runtime.name


def trained(seed, train, validation=None, checkpoint=None, callbacks=(), config=None):
    return fit_model(
        network_of(seed), train, validation or colours(12, 5), policy=OFF, seed=seed, checkpoint=checkpoint,
        callbacks=callbacks, config=config or TrainConfig(epochs=3, batch_size=16, learning_rate=0.01),
    )  # fmt: skip


class Recorded:
    """A `train_member` that trains nothing: its networks differ by seed; it keeps what it was given."""

    def __init__(self):
        self.calls = []

    def __call__(self, seed, train, validation, checkpoint, callbacks):
        self.calls.append((seed, train, validation, checkpoint))
        return TrainingResult(network_of(seed), {"loss": [1.0]}, 1.0, 1.0)


def test_seeds_train_members_of_consecutive_seeds_on_all_images(tmp_path):
    train_member, train, validation = Recorded(), colours(12, 0), colours(9, 1)
    config = EnsembleConfig(method="seeds", members=3)
    result = train_ensemble(train_member, train, validation, config=config, seed=5, checkpoint=tmp_path)
    assert [call[0] for call in train_member.calls] == [5, 6, 7]
    assert all(call[1] is train and call[2] is validation for call in train_member.calls)
    assert [call[3].name for call in train_member.calls] == ["member_0", "member_1", "member_2"]
    expected = average_models([network_of(seed) for seed in (5, 6, 7)], task="multi_class")
    logits = expected.predict(validation.images, verbose=0)
    assert result.model.predict(validation.images, verbose=0) == pytest.approx(logits, abs=1e-5)
    assert result.score == pytest.approx((logits.argmax(axis=1) == validation.labels).mean())


def test_member_scores_are_those_of_each_alone():
    train, validation = colours(12, 0), colours(30, 1)
    config = EnsembleConfig(method="seeds", members=2)
    result = train_ensemble(Recorded(), train, validation, config=config, seed=5)
    answers = [network_of(seed).predict(validation.images, verbose=0).argmax(axis=1) for seed in (5, 6)]
    assert result.member_scores == pytest.approx([(each == validation.labels).mean() for each in answers])


def test_folds_leave_out_each_training_image_once_and_hold_every_class():
    train_member, train, validation = Recorded(), colours(30, 0), colours(9, 1)
    train_ensemble(train_member, train, validation, config=EnsembleConfig(method="folds", members=5), seed=1)
    rows = [image.tobytes() for image in train.images]
    left_out = [rows.index(image.tobytes()) for call in train_member.calls for image in call[2].images]
    assert sorted(left_out) == list(range(30))
    for _, inside, outside, _ in train_member.calls:
        assert np.bincount(outside.labels).tolist() == [2, 2, 2]
        assert not {image.tobytes() for image in inside.images} & {
            image.tobytes() for image in outside.images
        }


def test_folds_of_images_on_disk_read_none_of_them(tmp_path):
    train, places = colours(12, 0), np.arange(12)
    np.save(tmp_path / "0.npy", train.images)
    shards = ShardedImages([tmp_path / "0.npy"], shards=places * 0, rows=places, image_shape=(8, 8, 3))
    train_member = Recorded()
    config = EnsembleConfig(method="folds", members=2)
    train_ensemble(train_member, replace(train, images=shards), colours(6, 1), config=config, seed=1)
    assert all(isinstance(call[1].images, ShardedImages) for call in train_member.calls)


def test_more_folds_than_images_are_refused():
    config = EnsembleConfig(method="folds", members=5)
    with pytest.raises(DataError, match=r"5 folds .* received 3; set config\.ensemble\.members"):
        train_ensemble(Recorded(), colours(3, 0), colours(6, 1), config=config, seed=1)


def test_snapshots_are_the_weights_at_the_ends_of_the_cycles(tmp_path):
    train, validation, ends = colours(32, 0), colours(12, 1), {}
    config = for_snapshots(TrainConfig(epochs=5, batch_size=16, learning_rate=0.01, ema_decay=0.5), 2)

    def train_member(seed, train, validation, checkpoint, callbacks):
        def keep(epoch, logs):
            ends[epoch] = watch.model.get_weights()

        watch = keras.callbacks.LambdaCallback(on_epoch_end=keep)
        return trained(seed, train, validation, checkpoint, [*callbacks, watch], config)

    ensemble = EnsembleConfig(method="snapshots", members=2)
    result = train_ensemble(train_member, train, validation, config=ensemble, seed=1, checkpoint=tmp_path)
    members = [copy_of(result.results[0].model, "member") for _ in range(2)]
    for member, epoch in zip(members, (1, 3), strict=True):
        member.set_weights(ends[epoch])
    expected = average_models(members, task="multi_class").predict(validation.images, verbose=0)
    assert result.model.predict(validation.images, verbose=0) == pytest.approx(expected, abs=1e-5)
    again = train_ensemble(train_member, train, validation, config=ensemble, seed=1, checkpoint=tmp_path)
    assert again.model.predict(validation.images, verbose=0) == pytest.approx(expected, abs=1e-5)


def test_for_snapshots_makes_cycles_of_whole_epochs():
    config = for_snapshots(TrainConfig(epochs=11), 3)
    assert (config.epochs, config.cycles, config.schedule) == (9, 3, "cosine")
    assert config.early_stopping_patience is None


@pytest.mark.parametrize("settings", [{"epochs": 2}, {"epochs": 9, "fine_tune": FineTuneConfig()}])
def test_for_snapshots_refuses_what_has_no_cycles(settings):
    with pytest.raises(ConfigError, match=r"set config\."):
        for_snapshots(TrainConfig(**settings), 3)


def test_a_greedy_soup_takes_in_what_does_not_make_it_worse():
    """Algorithm 1 by hand: score of a mean m is 1 - |m - 3|; 2 (0.0), then 4 (mean 3: 1.0), then not 9."""
    weights = [[np.array([9.0])], [np.array([4.0])], [np.array([2.0])]]

    def score(candidate):
        return Validation(1 - abs(float(candidate[0][0]) - 3), 0.0)

    alone = [Validation(-5.0, 0.0), Validation(0.0, -2.0), Validation(0.0, -1.0)]
    assert greedy_soup(weights, alone, score) == [np.array([3.0])]


def test_a_soup_is_one_network():
    train, validation = colours(12, 0), colours(9, 1)
    config = EnsembleConfig(method="seeds", members=2, combine="soup")
    result = train_ensemble(Recorded(), train, validation, config=config, seed=5)
    assert result.model.count_params() == network_of(5).count_params()
    assert result.score >= max(result.member_scores)

"""Training as a whole: it learns, it is reproducible, it takes its best weights, it never sees the rest."""

import numpy as np
import pytest

from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.config import TrainConfig
from vision.prepared import LabelledImages
from vision.training.batches import Batches
from vision.training.fit import fit_model, one_hot

OFF = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, shift=0, brightness=0)


def colours(count: int, seed: int) -> LabelledImages:
    """Images whose class is the brightest channel."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.integers(0, 120, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 100
    return LabelledImages(images, labels)


def fit(*, seed=3, config=None, train=None):
    import keras

    keras.utils.set_random_seed(seed)
    model = ARCHITECTURES["residual"].build((8, 8, 3), 3, filters=4)
    config = config or TrainConfig(epochs=8, batch_size=16, learning_rate=0.01)
    train = train or colours(96, 0)
    return fit_model(model, train, colours(32, 1), policy=OFF, config=config, seed=seed)


def test_fit_model_learns():
    result = fit()
    assert max(result.history["val_accuracy"]) > 0.9
    assert result.history["loss"][-1] < result.history["loss"][0]
    assert result.images_per_second > 0


def test_fit_model_overfits_one_batch():
    one = colours(8, 5)
    config = TrainConfig(epochs=40, batch_size=8, learning_rate=0.01, early_stopping_patience=40)
    assert max(fit(config=config, train=one).history["accuracy"]) == 1.0


def test_fit_model_is_decided_by_the_seed():
    first, again, other = fit(seed=3), fit(seed=3), fit(seed=4)
    assert first.history["loss"] == again.history["loss"]
    assert first.history["loss"] != other.history["loss"]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
def test_every_optimizer_and_schedule_reduces_the_loss(optimizer, schedule):
    config = TrainConfig(
        epochs=4, batch_size=16, learning_rate=0.01, optimizer=optimizer, schedule=schedule,
        label_smoothing=0.1,
    )  # fmt: skip
    history = fit(config=config).history["loss"]
    assert history[-1] < history[0]


def test_fit_model_ends_with_the_weights_of_the_best_epoch():
    """The last epochs, at a learning rate that destroys the model, must not be what is kept."""
    config = TrainConfig(epochs=12, batch_size=16, learning_rate=0.02, early_stopping_patience=12)
    result = fit(config=config)
    validation = colours(32, 1)
    logits = result.model.predict(validation.images, verbose=0)
    shifted = logits - logits.max(axis=1, keepdims=True)
    likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -likelihood[np.arange(32), validation.labels].mean()
    assert loss == pytest.approx(min(result.history["val_loss"]), rel=1e-3)


def test_early_stopping_ends_a_run_that_does_not_improve():
    config = TrainConfig(epochs=60, batch_size=16, learning_rate=0.03, early_stopping_patience=2)
    assert fit(config=config).epochs < 60


def test_batches_hold_every_image_once_an_epoch_in_a_new_order():
    data = colours(64, 0)
    marked = np.arange(64, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    batches = Batches(marked, one_hot(data.labels, 3), batch_size=16, seed=1)
    first = [batches[index][0][:, 0, 0, 0] for index in range(len(batches))]
    batches.on_epoch_end()
    second = [batches[index][0][:, 0, 0, 0] for index in range(len(batches))]
    assert sorted(np.concatenate(first)) == list(range(64)) == sorted(np.concatenate(second))
    assert not np.array_equal(first[0], second[0])


def test_batches_of_fewer_images_than_a_batch_are_one_batch():
    data = colours(5, 0)
    assert len(Batches(data.images, one_hot(data.labels, 3), batch_size=32, seed=1)) == 1

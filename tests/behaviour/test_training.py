"""Training as a whole: it learns, it is reproducible, it takes its best weights, it never sees the rest."""

import logging

import keras
import numpy as np
import pytest

from tests.behaviour.tiny import (
    MIXING,
    OFF,
    bright_channels,
    colours,
    convolutional,
    equal_weights,
    linear,
)
from vision.augmentation_policy import AugmentationPolicy
from vision.errors import OutOfMemory
from vision.image_array import ShardedImages
from vision.keras_batches import MOST_IMAGES
from vision.prepared import LabelledImages
from vision.training.batches import Batches, OrderedBatches
from vision.training.fit import fit_model
from vision.training.memory import is_out_of_memory
from vision.training.objective import build_objective, training_targets
from vision.training.stages import Stage
from vision.training.trainer import Trainer
from vision.training_config import TrainConfig

EVERYTHING = AugmentationPolicy(
    shift=0.1, rand_augment_operations=1, aug_mix=0.3, erasing=0.5, noise=0.05, mixup=0.2, cutmix=1.0
)


def fit(*, seed=3, config=None, train=None, validation=None, policy=OFF, build=convolutional, **more):
    model = build(seed)
    config = config or TrainConfig(epochs=8, batch_size=16, learning_rate=0.01)
    train = train or colours(96, 0)
    validation = validation or colours(32, 1)
    return fit_model(model, train, validation, policy=policy, config=config, seed=seed, **more)


def cross_entropy(logits, targets):
    """Mean over the images, by hand."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -(targets * likelihood).sum(axis=1).mean()


def trainer_of(policy, config=TrainConfig(), labels=np.arange(3)):  # noqa: B008
    model = convolutional(stages=1)
    objective = build_objective(config, labels, 3)
    return model, Trainer(model, policy, seed=1, objective=objective, optimizer=keras.optimizers.SGD())


def test_fit_model_learns():
    learned = fit(config=TrainConfig(epochs=8, batch_size=16, learning_rate=0.01))
    assert max(learned.history["val_accuracy"]) > 0.9
    assert learned.history["loss"][-1] < learned.history["loss"][0]
    assert learned.images_per_second > 0


def test_fit_model_overfits_one_batch():
    one = colours(8, 5)
    config = TrainConfig(epochs=20, batch_size=8, learning_rate=0.01, early_stopping_patience=20)
    assert max(fit(config=config, train=one).history["accuracy"]) == 1.0


def test_fit_model_is_decided_by_the_seed():
    config = TrainConfig(epochs=2, batch_size=16)
    first, again, other = (
        fit(seed=seed, config=config, policy=MIXING, build=linear).history["loss"] for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
def test_every_optimizer_and_schedule_reduces_the_loss(optimizer, schedule):
    config = TrainConfig(
        epochs=4, batch_size=16, learning_rate=0.01, optimizer=optimizer, schedule=schedule,
        label_smoothing=0.1,
    )  # fmt: skip
    history = fit(config=config, build=linear).history["loss"]
    assert history[-1] < history[0]


def test_fit_model_ends_with_the_weights_of_the_best_epoch():
    """Every class of the validation images bears another's name: what is learned makes it worse."""
    right = colours(32, 1)
    misnamed = LabelledImages(right.images, (right.labels + 1) % 3)
    result = fit(
        config=TrainConfig(epochs=3, batch_size=16, learning_rate=0.2), build=linear, validation=misnamed
    )
    logits = result.model.predict(misnamed.images, verbose=0)
    expected = cross_entropy(logits, training_targets(misnamed.labels, 3))
    assert min(result.history["val_loss"]) < result.history["val_loss"][-1]
    assert min(result.history["val_loss"]) == pytest.approx(expected, rel=1e-3)


def test_fit_model_without_early_stopping_ends_with_the_last_epoch():
    config = TrainConfig(epochs=3, batch_size=16, learning_rate=0.5, early_stopping_patience=None)
    result, validation = fit(config=config, build=linear), colours(32, 1)
    logits = result.model.predict(validation.images, verbose=0)
    expected = cross_entropy(logits, training_targets(validation.labels, 3))
    assert result.history["val_loss"][-1] == pytest.approx(expected, rel=1e-3)


def test_history_has_the_learning_rate_at_the_end_of_each_epoch():
    """6 batches an epoch: after 6 and 12 of 12 steps of a line without warm-up."""
    config = TrainConfig(epochs=2, batch_size=16, schedule="linear", warm_up_share=0, learning_rate=0.13)
    assert fit(config=config, build=linear).history["learning_rate"] == pytest.approx([0.06, 0.0], abs=1e-6)


def test_averaged_weights_are_validated_and_kept():
    config = TrainConfig(epochs=4, batch_size=16, learning_rate=0.05, ema_decay=0.5)
    result, validation = fit(config=config, build=linear), colours(32, 1)
    logits = result.model.predict(validation.images, verbose=0)
    expected = cross_entropy(logits, training_targets(validation.labels, 3))
    assert min(result.history["val_loss"]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulated_batches_make_the_step_of_one_large_batch(accumulate):
    plain = TrainConfig(
        epochs=3, batch_size=16, optimizer="sgd", schedule="cosine", learning_rate=0.1, weight_decay=0.01,
        clip_norm=0.5, early_stopping_patience=None,
    )  # fmt: skip
    small = plain.model_copy(update={"batch_size": 16 // accumulate, "accumulate": accumulate})
    first, second = (fit(config=config, build=linear).model.get_weights() for config in (plain, small))
    for large_batch, small_batches in zip(first, second, strict=True):
        assert small_batches == pytest.approx(large_batch, abs=1e-5)


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


class SmallDevice(keras.callbacks.Callback):
    """Fails in the second epoch of a training whose epochs have few, large batches."""

    def __init__(self, error, least_steps):
        super().__init__()
        self.error, self.least_steps = error, least_steps

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1 and self.params["steps"] < self.least_steps:
            raise self.error


def test_training_that_runs_out_of_memory_starts_again_with_smaller_batches(caplog):
    plain = TrainConfig(epochs=2, batch_size=32, learning_rate=0.05)
    small = plain.model_copy(update={"batch_size": 8, "accumulate": 4})
    device = SmallDevice(ResourceExhaustedError("OOM when allocating tensor"), least_steps=12)
    with caplog.at_level(logging.WARNING, "sightline.training"):
        result = fit(config=plain, build=linear, callbacks=[device])
    assert equal_weights(result.model, fit(config=small, build=linear).model)
    assert ["32 images" in caplog.messages[0], "batches of 8" in caplog.messages[1]] == [True, True]


def test_training_of_which_one_image_does_not_fit_says_what_to_change():
    device = SmallDevice(RuntimeError("RESOURCE_EXHAUSTED: out of memory"), least_steps=1000)
    with pytest.raises(OutOfMemory, match=r"config\.model.*config\.prepare\.image_size"):
        fit(config=TrainConfig(epochs=1, batch_size=2), build=linear, callbacks=[device])


def test_other_errors_end_the_training():
    device = SmallDevice(KeyError("something else"), least_steps=1000)
    with pytest.raises(KeyError, match="something else"):
        fit(config=TrainConfig(epochs=1, batch_size=4), build=linear, callbacks=[device])


def test_out_of_memory_is_seen_behind_the_error_that_followed_it():
    """JAX: the arrays that fit wants to tidy up were given to the step that failed."""
    try:
        try:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")
        except RuntimeError:
            raise ValueError("Array has been deleted") from None
    except ValueError as error:
        assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError("Array has been deleted"))


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "asymmetric"])
def test_fit_model_learns_several_labels(loss):
    config = TrainConfig(epochs=12, batch_size=16, learning_rate=0.05, loss=loss)
    train, validation = bright_channels(96, 0), bright_channels(32, 1)
    history = fit(config=config, build=linear, train=train, validation=validation).history
    assert {"average_precision", "val_average_precision"} < set(history)
    assert max(history["val_average_precision"]) > 0.9


def test_balanced_weights_raise_the_loss_of_rare_classes():
    _, plain = trainer_of(OFF)
    _, weighted = trainer_of(OFF, TrainConfig(class_weights="balanced"), labels=np.array([0, 0, 0, 1, 2]))
    batch = {"images": colours(1, 1).images, "targets": np.eye(3, dtype=np.float32)[[1]]}
    outputs = {"logits": np.array([[0.2, 0.3, 0.1]], np.float32), "targets": batch["targets"]}
    losses = [float(trainer.compute_loss(x=batch, y_pred=outputs)) for trainer in (plain, weighted)]
    assert losses[1] == pytest.approx(losses[0] * 5 / 3)
    validated = weighted.compute_loss(x=batch, y_pred=outputs, training=False)
    assert float(validated) == pytest.approx(losses[0])


def test_trainer_shrinks_training_images_alone():
    _, trainer = trainer_of(OFF)
    sizes = []
    trainer._classifier = lambda images, training: sizes.append(images.shape[1:3]) or images[:, 0, 0]
    trainer.enter(Stage((4, 4)))
    data = colours(2, 1)
    batch = {"images": data.images, "targets": training_targets(data.labels, 3)}
    for training in (True, False):
        trainer(batch, training=training)
    assert sizes == [(4, 4), (8, 8)]


def test_validation_counts_every_image_of_an_incomplete_batch():
    validation = colours(MOST_IMAGES + 7, 1)
    result = fit(config=TrainConfig(epochs=1, batch_size=16), validation=validation, build=linear)
    logits = result.model.predict(validation.images, verbose=0)
    expected = cross_entropy(logits, training_targets(validation.labels, 3))
    assert result.history["val_loss"] == pytest.approx([expected], rel=1e-4)
    assert result.history["val_accuracy"] == pytest.approx([(logits.argmax(1) == validation.labels).mean()])


def test_fit_model_takes_every_augmentation_and_fewer_images_than_a_batch():
    config, train = TrainConfig(epochs=2, batch_size=32), colours(11, 0)
    result = fit(config=config, train=train, policy=EVERYTHING, build=linear)
    assert np.isfinite(result.history["loss"]).all()


def test_fit_model_learns_from_mixed_images():
    config = TrainConfig(epochs=8, batch_size=16, learning_rate=0.1)
    history = fit(config=config, policy=MIXING, build=linear).history
    assert max(history["val_accuracy"]) > 0.9


def test_trainer_is_the_model_itself_outside_training():
    model, trainer = trainer_of(EVERYTHING)
    data = colours(8, 1)
    outputs = trainer({"images": data.images, "targets": training_targets(data.labels, 3)}, training=False)
    expected = model.predict(data.images, verbose=0)
    assert keras.ops.convert_to_numpy(outputs["logits"]) == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(outputs["targets"], training_targets(data.labels, 3))


def test_trainer_takes_loss_and_accuracy_from_mixed_targets():
    _, trainer = trainer_of(MIXING)
    data = colours(64, 1)
    batch = {"images": data.images, "targets": training_targets(data.labels, 3)}
    outputs = {name: np.array(value) for name, value in trainer(batch, training=True).items()}
    loss = trainer.compute_loss(x=batch, y_pred=outputs)
    metrics = trainer.compute_metrics(batch, None, outputs)
    agree = outputs["logits"].argmax(axis=1) == outputs["targets"].argmax(axis=1)
    assert not np.array_equal(outputs["targets"], batch["targets"])
    assert float(loss) == pytest.approx(cross_entropy(outputs["logits"], outputs["targets"]), rel=1e-4)
    assert float(metrics["accuracy"]) == pytest.approx(agree.mean())


@pytest.mark.parametrize("policy", [OFF, AugmentationPolicy(), MIXING, EVERYTHING])
def test_trainer_with_augmentation_is_left_to_keras_to_compile(policy):
    """jit_compile="auto" asks every layer: TensorFlow's XLA can neither rotate nor draw a mixing weight."""
    _, trainer = trainer_of(policy)
    supported = all(layer.supports_jit for layer in trainer._flatten_layers())
    assert supported == (policy is OFF)


def test_early_stopping_ends_a_run_that_does_not_improve():
    config = TrainConfig(epochs=60, batch_size=16, learning_rate=2.0, early_stopping_patience=2)
    assert fit(config=config, build=linear).epochs < 60


def numbered(count):
    """Images whose pixels are their number."""
    return np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)


def numbers_in(batches):
    return [batches[index][0]["images"][:, 0, 0, 0] for index in range(len(batches))]


def test_batches_hold_every_image_once_an_epoch_in_a_new_order():
    batches = Batches(numbered(64), np.zeros((64, 3), np.float32), batch_size=16, seed=1)
    first = numbers_in(batches)
    batches.enter(1)
    second = numbers_in(batches)
    assert sorted(np.concatenate(first)) == list(range(64)) == sorted(np.concatenate(second))
    assert not np.array_equal(first[0], second[0])


def test_alternating_flip_shows_each_image_both_ways_in_any_two_epochs():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = images[:, 0, -1, 0] = np.arange(40)  # both corners name the image
    batches = Batches(images, np.zeros((40, 3), np.float32), batch_size=8, seed=1, alternating_flip=True)
    seen = [np.empty_like(images) for _ in range(3)]
    for epoch, found in enumerate(seen):
        batches.enter(epoch)
        for index in range(len(batches)):
            batch = batches[index][0]["images"]
            found[batch[:, 0, 0, 0]] = batch
    mirrored = images[:, :, ::-1]
    first = (seen[0] == mirrored).all(axis=(1, 2, 3))
    assert 8 < first.sum() < 32
    for epoch, found in enumerate(seen):
        as_is = first if epoch % 2 else ~first
        assert np.array_equal(found[as_is], images[as_is])
        assert np.array_equal(found[~as_is], mirrored[~as_is])


@pytest.mark.parametrize(
    ("flip", "in_batches", "on_device"),
    [("alternating", True, False), (True, False, True), (False, False, False)],
)
def test_a_flip_is_made_in_one_place(flip, in_batches, on_device, monkeypatch):
    """One that alternates comes with the batches; drawn again on the device it would lose its order."""
    places, train = [], colours(96, 0)
    own = {image.tobytes() for image in train.images}

    class Watched(Trainer):
        def fit(self, batches, **others):
            given = np.concatenate([np.array(batch["images"]) for (batch,) in batches])
            drawn = any(isinstance(layer, keras.layers.RandomFlip) for layer in self._augmentation)
            places.append(({image.tobytes() for image in given} != own, drawn))
            return super().fit(batches, **others)

    monkeypatch.setattr("vision.training.fit.Trainer", Watched)
    fit(train=train, policy=OFF.model_copy(update={"horizontal_flip": flip}), build=linear)
    assert places == [(in_batches, on_device)]


def test_batches_of_fewer_images_than_a_batch_are_one_batch():
    assert len(Batches(numbered(5), np.zeros((5, 3), np.float32), batch_size=32, seed=1)) == 1


def test_ordered_batches_hold_every_image_in_its_place():
    batches = OrderedBatches(numbered(10), np.zeros((10, 3), np.float32), batch_size=4)
    assert [list(numbers) for numbers in numbers_in(batches)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches[0][0]["images"].dtype == np.uint8


def test_fit_model_reads_sharded_images_as_it_reads_an_array(tmp_path):
    data, places = colours(24, 0), np.arange(24)
    for shard in range(2):
        np.save(tmp_path / f"{shard}.npy", data.images[shard::2])
    files = [tmp_path / "0.npy", tmp_path / "1.npy"]
    shards = ShardedImages(files, shards=places % 2, rows=places // 2, image_shape=(8, 8, 3))
    sharded = LabelledImages(shards, data.labels)
    config = TrainConfig(epochs=1, batch_size=16)
    assert np.array_equal(shards[:], data.images)
    assert (
        fit(config=config, train=sharded, validation=sharded, build=linear).history
        == fit(config=config, train=data, validation=data, build=linear).history
    )

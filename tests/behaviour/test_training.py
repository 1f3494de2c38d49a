"""Training as a whole: it learns, it is reproducible, it takes its best weights, it never sees the rest."""

import keras
import numpy as np
import pytest

from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.image_array import ShardedImages
from vision.prepared import LabelledImages
from vision.training.batches import Batches, OrderedBatches
from vision.training.fit import EVALUATION_BATCH, fit_model
from vision.training.objective import build_objective, training_targets
from vision.training.trainer import Trainer
from vision.training_config import TrainConfig

OFF = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, shift=0, brightness=0)
MIXING = OFF.model_copy(update={"mixup": 1.0, "cutmix": 1.0})
EVERYTHING = AugmentationPolicy(
    shift=0.1, rand_augment_operations=1, aug_mix=0.3, erasing=0.5, noise=0.05, mixup=0.2, cutmix=1.0
)


def colours(count: int, seed: int) -> LabelledImages:
    """Images whose class is the brightest channel."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.integers(0, 120, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 100
    return LabelledImages(images, labels)


def fit(*, seed=3, config=None, train=None, validation=None, policy=OFF):
    keras.utils.set_random_seed(seed)
    model = ARCHITECTURES["residual"].build((8, 8, 3), 3, filters=4)
    config = config or TrainConfig(epochs=8, batch_size=16, learning_rate=0.01)
    train = train or colours(96, 0)
    validation = validation or colours(32, 1)
    return fit_model(model, train, validation, policy=policy, config=config, seed=seed)


def cross_entropy(logits, targets):
    """Mean over the images, by hand."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -(targets * likelihood).sum(axis=1).mean()


def trainer_of(policy):
    model = ARCHITECTURES["residual"].build((8, 8, 3), 3, filters=4, stages=1)
    objective = build_objective(TrainConfig(), np.arange(3), 3)
    return model, Trainer(model, policy, seed=1, objective=objective, optimizer=keras.optimizers.SGD())


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
    expected = cross_entropy(logits, training_targets(validation.labels, 3))
    assert min(result.history["val_loss"]) == pytest.approx(expected, rel=1e-3)


def test_validation_counts_every_image_of_an_incomplete_batch():
    validation = colours(EVALUATION_BATCH + 7, 1)
    result = fit(config=TrainConfig(epochs=1, batch_size=16), validation=validation)
    logits = result.model.predict(validation.images, verbose=0)
    expected = cross_entropy(logits, training_targets(validation.labels, 3))
    assert result.history["val_loss"] == pytest.approx([expected], rel=1e-4)
    assert result.history["val_accuracy"] == pytest.approx([(logits.argmax(1) == validation.labels).mean()])


def test_fit_model_with_every_option_is_decided_by_the_seed():
    """On fewer images than a batch."""
    config, train = TrainConfig(epochs=2, batch_size=32), colours(11, 0)
    first, again = (fit(config=config, train=train, policy=EVERYTHING).history["loss"] for _ in range(2))
    assert np.isfinite(first).all()
    assert first == again


def test_fit_model_learns_from_mixed_images():
    config = TrainConfig(epochs=12, batch_size=16, learning_rate=0.01)
    history = fit(config=config, policy=MIXING).history
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
    config = TrainConfig(epochs=60, batch_size=16, learning_rate=0.03, early_stopping_patience=2)
    assert fit(config=config).epochs < 60


def numbered(count):
    """Images whose pixels are their number."""
    return np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)


def numbers_in(batches):
    return [batches[index][0]["images"][:, 0, 0, 0] for index in range(len(batches))]


def test_batches_hold_every_image_once_an_epoch_in_a_new_order():
    batches = Batches(numbered(64), np.zeros((64, 3), np.float32), batch_size=16, seed=1)
    first = numbers_in(batches)
    batches.on_epoch_end()
    second = numbers_in(batches)
    assert sorted(np.concatenate(first)) == list(range(64)) == sorted(np.concatenate(second))
    assert not np.array_equal(first[0], second[0])


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
        fit(config=config, train=sharded, validation=sharded).history
        == fit(config=config, train=data, validation=data).history
    )

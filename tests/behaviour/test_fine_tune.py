"""Fine-tuning: rates by layer, the head on cached features, the phases, and what is kept of them."""

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models import ARCHITECTURES
from vision.augmentation_policy import AugmentationPolicy
from vision.prepared import LabelledImages
from vision.preprocessing import Preprocessing
from vision.training import fine_tune as module
from vision.training.fine_tune import fine_tune
from vision.training.frozen_features import HeadTraining, backbone_of, features_of, head_of
from vision.training.layer_rates import BLOCKS, layer_rates, with_rates
from vision.training.objective import build_objective
from vision.training.validation import Validation, validate
from vision.training_config import FineTuneConfig, TrainConfig

OFF = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, shift=0, brightness=0)
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
OPTIMIZERS = {
    "sgd": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adam": (keras.optimizers.Adam, {}),
    "adamw": (
        keras.optimizers.AdamW,
        {"weight_decay": 0.1, "global_clipnorm": 1.0, "use_ema": True, "gradient_accumulation_steps": 2},
    ),
}


def colours(count, seed):
    """Images whose class is the brightest channel."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.integers(0, 120, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 60
    return LabelledImages(images, labels)


def network_of():
    """As small as a network can be that has a lower and an upper half: a training is compiled in a second."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    for name in ("low", "high"):
        x = keras.layers.Conv2D(4, 3, strides=2, name=name)(x)
        x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    x = keras.layers.Dropout(0.1)(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


def changed_layers(network, before):
    return {
        layer.name
        for layer in network.layers
        if layer.weights and not all(map(np.array_equal, before[layer.name], layer.get_weights()))
    }


def weights_by_layer(network):
    return {layer.name: layer.get_weights() for layer in network.layers}


@pytest.fixture
def keeps_the_second_phase(monkeypatch):
    monkeypatch.setattr(module, "validate", lambda network, data, objective: Validation(0.0, 0.0))


def tuned(network, *, train=None, policy=OFF, epochs=1, seed=1, checkpoint=None, on_epoch=None, **settings):
    config = TrainConfig(
        epochs=epochs, batch_size=16, optimizer="adamw", schedule="cosine", learning_rate=0.005,
        early_stopping_patience=None, fine_tune=FineTuneConfig(**{"head_epochs": 2, "stages": 1, **settings}),
    )  # fmt: skip
    return fine_tune(
        network, train or colours(48, 0), colours(32, 1), policy=policy, config=config, seed=seed,
        checkpoint=checkpoint, on_epoch=on_epoch or (lambda epoch, metrics: None),
    )  # fmt: skip


def dense_pair():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2, name="high")(keras.layers.Dense(5, name="low")(inputs)))


def trained_dense(kind, settings, rates):
    """Weights before and after a few steps of a network with the Dense layers low and high."""
    keras.utils.set_random_seed(1)
    model = dense_pair()
    before = model.get_weights()
    model.compile(with_rates(kind, rates)(learning_rate=0.1, **settings), loss="mse")
    inputs = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    model.fit(inputs, inputs[:, :2], batch_size=16, epochs=2, shuffle=False, verbose=0)
    return before, model.get_weights()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_rates_trains_a_variable_at_its_own_rate(name):
    kind, settings = OPTIMIZERS[name]
    before, after = trained_dense(kind, settings, {"low/kernel": 0.0, "low/bias": 0.0})
    same = [np.array_equal(old, new) for old, new in zip(before, after, strict=True)]
    assert same == [True, True, False, False]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_rates_of_one_is_the_optimizer_itself(name):
    kind, settings = OPTIMIZERS[name]
    _, with_ones = trained_dense(kind, settings, {"low/kernel": 1.0})
    keras.utils.set_random_seed(1)
    model = dense_pair()
    model.compile(kind(learning_rate=0.1, **settings), loss="mse")
    inputs = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    model.fit(inputs, inputs[:, :2], batch_size=16, epochs=2, shuffle=False, verbose=0)
    for mine, plain in zip(with_ones, model.get_weights(), strict=True):
        assert mine == pytest.approx(plain, abs=1e-6)


def test_a_rate_of_a_half_is_half_the_step_and_half_the_decay():
    """SGD without momentum on a gradient of 0: w - rate * decay * w."""
    variable = keras.Variable(np.array([2.0], np.float32), name="w")
    optimizer = with_rates(keras.optimizers.SGD, {variable.path: 0.5})(learning_rate=0.2, weight_decay=0.1)
    optimizer.apply([keras.ops.zeros(1)], [variable])
    assert float(variable[0]) == pytest.approx(2.0 - 0.2 * 0.5 * 0.1 * 2.0)
    optimizer.apply([keras.ops.ones(1)], [variable])
    assert float(variable[0]) == pytest.approx(1.98 - 0.1 * 0.1 * 1.98 - 0.1)


def test_layer_rates_fall_from_the_top_and_cover_the_backbone():
    backbone = [keras.layers.Dense(1, name=f"layer_{place}") for place in range(2 * BLOCKS)]
    for layer in backbone:
        layer.build((None, 1))
    rates = layer_rates(backbone, decay=0.5)
    assert rates["layer_19/kernel"] == rates["layer_18/bias"] == 0.5
    assert rates["layer_17/kernel"] == 0.25
    assert rates["layer_0/kernel"] == 0.5**BLOCKS
    assert len(rates) == 2 * len(backbone)


def test_head_and_backbone_are_all_of_the_network():
    network = ARCHITECTURES["residual"].build((8, 8, 3), 3, filters=4, stages=2, dropout=0.5)
    layers = [*backbone_of(network), *(layer for layer in head_of(network).layers if layer.weights)]
    assert [weight.path for layer in layers for weight in layer.weights] == [
        weight.path for weight in network.weights
    ]
    assert layers[-1].name == "logits"


def test_features_are_those_of_inference_and_of_the_mirror_images():
    network, images = network_of(), colours(300, 0).images  # more than a chunk
    backbone = keras.Model(network.input, network.get_layer("features").output)
    features = features_of(backbone, images, mirrored=True)
    assert features[:300] == pytest.approx(backbone.predict(images, verbose=0), abs=1e-5)
    assert features[300:] == pytest.approx(backbone.predict(images[:, :, ::-1], verbose=0), abs=1e-5)


def test_the_head_answers_in_the_network_as_it_did_in_its_training():
    network, train = network_of(), colours(48, 0)
    head = HeadTraining(network, train, mirrored=False)
    network.get_layer("logits").kernel.assign(np.random.default_rng(0).normal(size=(4, 3)))
    expected = head.model.predict(head.train.images, verbose=0)
    head.take_over()
    assert network.predict(train.images, verbose=0) == pytest.approx(expected, abs=1e-4)


def test_the_head_alone_leaves_the_backbone_as_it_is():
    network = network_of()
    before = weights_by_layer(network)
    result = tuned(network, unfrozen_share=0)
    assert changed_layers(network, before) == {"logits"}
    assert (result.kept, result.epochs) == ("head", 2)


def test_half_of_the_layers_unfrozen_are_the_upper_half(keeps_the_second_phase):
    network = network_of()
    before = weights_by_layer(network)
    result = tuned(network, unfrozen_share=0.5, freeze_batch_norm=False)
    assert changed_layers(network, before) == {"high", "high_norm", "logits"}
    assert result.kept == "backbone"


def test_afterwards_everything_that_was_trainable_is_so_again(keeps_the_second_phase):
    """A layer may have one variable that its architecture has fixed."""
    network = network_of()
    fixed = network.get_layer("low").bias
    fixed.trainable = False
    before, flags = weights_by_layer(network), [variable.trainable for variable in network.variables]
    tuned(network)
    assert [variable.trainable for variable in network.variables] == flags
    assert changed_layers(network, before) == {"low", "high", "logits"}  # batch norm is frozen
    assert np.array_equal(fixed.numpy(), before["low"][1])


def test_history_and_on_epoch_count_through_the_phases():
    seen = []
    result = tuned(network_of(), epochs=3, stages=2, on_epoch=lambda epoch, metrics: seen.append(epoch))
    assert seen == [0, 1, 2, 3, 4]  # 2 of the head, 1 and 2 of the stages
    assert {len(values) for values in result.history.values()} == {5}
    assert {"loss", "val_loss", "accuracy", "val_accuracy"} <= set(result.history)
    assert result.images_per_second > 0


def test_a_second_phase_that_spoils_the_network_is_not_kept(monkeypatch):
    network, judged = network_of(), []

    def worse_each_time(network, data, objective):
        judged.append(network.get_weights())
        return Validation(-len(judged), 0.0)

    monkeypatch.setattr(module, "validate", worse_each_time)
    result = tuned(network)
    assert result.kept == "head"
    assert all(map(np.array_equal, network.get_weights(), judged[0]))
    assert not all(map(np.array_equal, judged[0], judged[1]))


def test_labels_that_are_several_are_fine_tuned_too():
    several = LabelledImages(colours(48, 0).images, np.eye(3, dtype=np.int64)[colours(48, 0).labels])
    network = network_of()
    config = TrainConfig(epochs=1, batch_size=16, fine_tune=FineTuneConfig(head_epochs=2, unfrozen_share=0))
    result = fine_tune(network, several, several, policy=AugmentationPolicy(), config=config, seed=1)
    assert len(result.history["val_average_precision"]) == 2


def test_validate_is_the_share_of_right_answers_and_the_mean_loss():
    network, data = network_of(), colours(20, 1)
    validation = validate(network, data, build_objective(TrainConfig(), data.labels, 3))
    logits = network.predict(data.images, verbose=0)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    likelihood = np.log(shifted / shifted.sum(axis=1, keepdims=True))[np.arange(20), data.labels]
    assert validation.score == pytest.approx((logits.argmax(axis=1) == data.labels).mean())
    assert validation.minus_loss == pytest.approx(likelihood.mean(), rel=1e-4)
    assert Validation(0.5, -1.0) < Validation(0.5, -0.5) < Validation(0.6, -2.0)


def test_a_finished_fine_tuning_is_read_from_its_checkpoint(tmp_path):
    first = tuned(network_of(), checkpoint=tmp_path)
    weights = first.model.get_weights()
    again = tuned(network_of(), checkpoint=tmp_path)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["head", "stage_1"]
    assert again.history == first.history
    assert all(map(np.array_equal, again.model.get_weights(), weights))


def test_an_interrupted_fine_tuning_ends_with_the_weights_of_an_unbroken_one(tmp_path):
    def interrupt(epoch, metrics):
        if epoch == 2:  # the first of the backbone
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(network_of(), checkpoint=tmp_path, epochs=2, on_epoch=interrupt)
    resumed, unbroken = tuned(network_of(), checkpoint=tmp_path, epochs=2), tuned(network_of(), epochs=2)
    assert resumed.history == unbroken.history
    assert all(map(np.array_equal, resumed.model.get_weights(), unbroken.model.get_weights()))


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "weights").is_dir(), reason="needs ../shared/data/flowers and weights")
def test_fine_tuning_beats_logistic_regression_on_frozen_features():
    """600 flowers of 96 pixels to learn from, 600 to judge by."""
    preprocessing, random = Preprocessing(image_size=(96, 96)), np.random.default_rng(0)
    images, labels = [], []
    for number, name in enumerate(("daisy", "dandelion", "rose", "sunflower", "tulip")):
        files = random.permutation(sorted((DATA / "flowers" / name).glob("*.jpg")))[:240]
        images += [preprocessing.apply(file.read_bytes()) for file in files]
        labels += [number] * len(files)
    order = random.permutation(len(labels))
    pixels, classes = np.stack(images)[order], np.array(labels)[order]
    keras.utils.set_random_seed(1)
    network = ARCHITECTURES["mobilenet_v2"].build(
        (96, 96, 3),
        5,
        alpha=0.35,
        weights=str(DATA / "weights/mobilenetv2_0.35_224_imagenet_notop.weights.h5"),
    )
    backbone = keras.Model(network.input, network.get_layer("features").output)
    features = backbone.predict(pixels, verbose=0)
    centred = (features - features[:600].mean(axis=0)) / (features[:600].std(axis=0) + 1e-6)
    frozen = LogisticRegression(C=1e-3).fit(centred[:600], classes[:600]).score(centred[800:], classes[800:])
    config = TrainConfig(recipe="fine_tune", fine_tune={"head_learning_rate": 3e-4, "stages": 1})
    train, validation = (
        LabelledImages(pixels[part], classes[part]) for part in (slice(600), slice(600, 800))
    )
    fine_tune(network, train, validation, policy=AugmentationPolicy(), config=config, seed=1)
    tuned_score = (network.predict(pixels[800:], verbose=0).argmax(axis=1) == classes[800:]).mean()
    assert tuned_score > frozen

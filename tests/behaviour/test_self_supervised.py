"""Pre-training without labels: the losses of the papers, the views, and what it leaves in the network."""

import keras
import numpy as np
import pytest
from PIL import Image

from vision.augmentation_policy import AugmentationPolicy
from vision.errors import ConfigError, DataError
from vision.model_config import ModelConfig
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing
from vision.training.backbone import Backbone
from vision.training.frozen_features import backbone_of
from vision.training.self_supervised import pretrain, pretrain_backbone
from vision.training.view_learners import Byol, byol_loss, nt_xent
from vision.training.views import RandomResizedCrop, view_layers
from vision.training_config import PretrainConfig, TrainConfig
from vision.unlabelled import fingerprint_unlabelled, read_unlabelled

POLICY = AugmentationPolicy()


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def network_of(seed=1):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, strides=2)(x))
    x = keras.layers.GlobalAveragePooling2D(name="features")(keras.layers.ReLU()(x))
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


def config_of(method, epochs=1):
    return PretrainConfig(method=method, epochs=epochs, batch_size=8)


def test_nt_xent_is_equation_1_of_simclr():
    """By a loop over all pairs, as the paper writes it."""
    vectors = np.random.default_rng(0).normal(size=(6, 4))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    losses = []
    for row in range(6):
        similar = np.exp(unit @ unit[row] / 0.5)
        losses.append(-np.log(similar[(row + 3) % 6] / (similar.sum() - similar[row])))
    received = nt_xent(keras.ops.convert_to_tensor(vectors, "float32"), temperature=0.5)
    assert float(received) == pytest.approx(np.mean(losses), rel=1e-5)


def test_byol_loss_is_equation_2():
    """0 for vectors of one direction, 2 for right angles, 4 for opposite ones."""
    foretold = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]], np.float32)
    targets = np.array([[5.0, 0.0], [0.0, 1.0], [-3.0, 0.0]], np.float32)
    received = [float(byol_loss(foretold[[row]], targets[[row]])) for row in range(3)]
    assert received == pytest.approx([0.0, 2.0, 4.0])
    assert float(byol_loss(foretold, targets)) == pytest.approx(2.0)


def test_a_crop_of_a_ramp_is_a_part_of_it_for_each_image():
    """Pixel values are their column: a crop keeps their order, and spans root(0.2 * 3/4) of them at least."""
    ramp = np.broadcast_to(np.arange(32, dtype=np.float32)[None, None, :, None], (200, 32, 32, 3))
    rows = keras.ops.convert_to_numpy(RandomResizedCrop(seed=1)(ramp))[:, 16, :, 0]
    spans = rows[:, -1] - rows[:, 0]
    assert (np.diff(rows, axis=1) >= -1e-3).all()
    assert rows.min() >= 0 and rows.max() <= 31
    assert spans.min() > 31 * 0.38 and spans.max() > 28
    assert len(np.unique(rows[:, 0])) > 100


def test_views_are_pixels_and_are_not_mirrored_where_the_policy_does_not_mirror():
    view = keras.ops.convert_to_tensor(pictures(16), "float32")
    for layer in view_layers(flips=False, seed=1):
        view = layer(view, training=True)
    pixels = keras.ops.convert_to_numpy(view)
    assert pixels.shape == (16, 8, 8, 3)
    assert pixels.min() >= 0 and pixels.max() <= 255
    kinds = [type(layer) for layer in view_layers(flips=False, seed=1)]
    assert keras.layers.RandomFlip not in kinds
    assert keras.layers.RandomFlip in [type(layer) for layer in view_layers(flips=True, seed=1)]


@pytest.mark.parametrize("method", ["simclr", "byol"])
def test_pretraining_trains_the_backbone_and_nothing_else(method):
    network = network_of()
    before, flags = network.get_weights(), [variable.trainable for variable in network.variables]
    result = pretrain(network, pictures(16), config=config_of(method, 2), policy=POLICY, seed=1)
    changed = [not np.array_equal(old, new) for old, new in zip(before, network.get_weights(), strict=True)]
    assert changed == [*[True] * (len(before) - 2), False, False]
    assert [variable.trainable for variable in network.variables] == flags
    assert len(result.history["loss"]) == 2 and np.isfinite(result.history["loss"]).all()


@pytest.mark.parametrize("method", ["simclr", pytest.param("byol", marks=pytest.mark.slow)])
def test_a_finished_pretraining_is_read_from_its_checkpoint(method, tmp_path):
    first, again = network_of(), network_of()
    settings = {"config": config_of(method), "policy": POLICY, "seed": 1, "checkpoint": tmp_path}
    history = pretrain(first, pictures(16), **settings).history
    assert pretrain(again, pictures(16), **settings).history == history
    assert all(map(np.array_equal, first.get_weights(), again.get_weights()))


def byol_of(network, steps):
    return Byol(network, view_layers(flips=False, seed=1), config_of("byol"), steps)


def test_the_target_moves_by_a_hundredth_and_at_last_not_at_all():
    """Grill et al. 2020: decay 1 - (1 - 0.99) (cos(pi k / K) + 1) / 2, K = 2 steps: 0.99, 0.995, 1."""
    learner = byol_of(network_of(), steps=2)
    own = learner._projected.trainable_variables[0]
    own.assign(keras.ops.ones_like(own))
    target = learner._target.variables[0]
    target.assign(keras.ops.zeros_like(target))
    reached = []
    for _ in range(3):
        learner({"images": pictures(4)}, training=True)
        reached.append(float(keras.ops.mean(target)))
    assert reached == pytest.approx([0.01, 0.01 + 0.005 * 0.99, 0.01 + 0.005 * 0.99], rel=1e-4)


def test_the_target_is_not_trained_by_gradients():
    learner = byol_of(network_of(), steps=2)
    trained = {id(variable) for variable in learner.trainable_variables}
    assert not trained & {id(variable) for variable in learner._target.variables}
    assert trained > {id(variable) for variable in learner._projected.trainable_variables}


def test_simclr_learns_to_tell_the_views_of_an_image_from_others():
    """Images of one colour each; ln 15 is the loss of one who guesses among the other 15 views."""
    images = np.broadcast_to(pictures(8, seed=3)[:, :1, :1], (8, 8, 8, 3)).repeat(2, axis=0)[::2]
    config = PretrainConfig(method="simclr", epochs=60, batch_size=8, learning_rate=0.01)
    losses = pretrain(
        network_of(), np.ascontiguousarray(images), config=config, policy=POLICY, seed=1
    ).history["loss"]
    assert np.mean(losses[-5:]) < 0.8 * np.log(15)


def test_fewer_than_two_images_are_refused():
    with pytest.raises(DataError, match=r"received 1 image\(s\), at least 2 .* config\.pretrain\.images"):
        pretrain(network_of(), pictures(1), config=config_of("simclr"), policy=POLICY, seed=1)


def test_a_backbone_goes_into_another_network_of_its_kind():
    source, target = network_of(1), network_of(2)
    head = target.get_layer("logits").get_weights()
    Backbone.of(source).put_into(target)
    for mine, other in zip(backbone_of(source), backbone_of(target), strict=True):
        assert all(map(np.array_equal, mine.get_weights(), other.get_weights()))
    assert all(map(np.array_equal, head, target.get_layer("logits").get_weights()))


def test_an_empty_backbone_changes_nothing_and_a_strange_one_is_refused():
    network = network_of()
    before = network.get_weights()
    Backbone().put_into(network)
    assert all(map(np.array_equal, before, network.get_weights()))
    with pytest.raises(ConfigError, match=r"has 1 weights.*with its 6.*set config\.model"):
        Backbone((np.zeros(3),)).put_into(network)


def test_pretrain_backbone_builds_the_network_of_the_configuration():
    backbone, result = pretrain_backbone(
        pictures(16), num_classes=3, model=ModelConfig(name="residual", options={"filters": 4, "stages": 1}),
        train=TrainConfig(), config=config_of("simclr"), policy=POLICY, seed=1,
    )  # fmt: skip
    assert backbone.weights[0].shape == (3, 3, 3, 4)
    assert result.seconds > 0


def test_unlabelled_images_are_read_in_order_once_each_without_the_broken_ones(tmp_path, caplog):
    folder = tmp_path / "images" / "deeper"
    folder.mkdir(parents=True)
    for name, red in (("c", 90), ("a", 30), ("a_copy", 30), ("b", 60)):
        Image.new("RGB", (4, 4), (red, 0, 0)).save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image")
    images = read_unlabelled(tmp_path / "images", PixelStore(tmp_path, Preprocessing(image_size=(4, 4))))
    assert images[:][:, 0, 0, 0].tolist() == [30, 60, 90]
    assert "1 of 5 files" in caplog.text


@pytest.mark.parametrize("found", ["nothing", "no folder", "a broken image"])
def test_a_folder_without_images_is_refused(found, tmp_path):
    folder = tmp_path / "images"
    if found != "no folder":
        folder.mkdir()
    if found == "a broken image":
        (folder / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"set config\.pretrain\.images"):
        read_unlabelled(folder, PixelStore(tmp_path, Preprocessing(image_size=(4, 4))))


def test_the_fingerprint_of_unlabelled_images_changes_with_the_files(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    before = fingerprint_unlabelled(tmp_path)
    assert fingerprint_unlabelled(tmp_path) == before
    Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    assert fingerprint_unlabelled(tmp_path) != before

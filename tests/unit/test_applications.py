"""The networks of keras.applications: their scaling, their weights by each way, files that do not fit."""

import math
import warnings
from functools import cache
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import applications
from keras.src.legacy.saving import legacy_h5_format

from models import ARCHITECTURES
from models.blocks import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    pixels_standardised,
    pixels_to_bgr,
    pixels_to_unit,
)
from vision.errors import ConfigError
from vision.pretrained import FOLDER_VARIABLE, build_pretrained, find_weights, keras_file, resolve_weights

REAL_WEIGHTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "weights"
KERAS = {
    "vgg16": (applications.VGG16, applications.vgg16),
    "resnet50": (applications.ResNet50, applications.resnet50),
    "inception_v3": (applications.InceptionV3, applications.inception_v3),
    "efficientnet_b0": (applications.EfficientNetB0, applications.efficientnet),
    "efficientnet_v2_b0": (applications.EfficientNetV2B0, applications.efficientnet_v2),
    "mobilenet_v2": (applications.MobileNetV2, applications.mobilenet_v2),
    "mobilenet_v3_small": (applications.MobileNetV3Small, applications.mobilenet_v3),
    "mobilenet_v3_large": (applications.MobileNetV3Large, applications.mobilenet_v3),
    "densenet121": (applications.DenseNet121, applications.densenet),
    "convnext_tiny": (applications.ConvNeXtTiny, applications.convnext),
}
TAKE_WEIGHTS = [name for name, row in ARCHITECTURES.items() if row.takes_weights]
# All but one are slow: they take seconds each to build.
ROWS = [
    name if name == "mobilenet_v2" else pytest.param(name, marks=pytest.mark.slow) for name in TAKE_WEIGHTS
]
DOWNLOAD = "keras.src.utils.file_utils.get_file"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where weights are looked for; Keras' own cache is out of sight."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path


@cache
def donor(name):
    """Keras' own network without its top, each weight a little moved; its inputs as published."""
    keras.utils.set_random_seed(1)
    side = ARCHITECTURES[name].smallest_side
    model = KERAS[name][0](input_shape=(side, side, 3), include_top=False, weights=None)
    generator = np.random.default_rng(1)
    model.set_weights([weight + generator.uniform(0, 0.02, weight.shape) for weight in model.get_weights()])
    if name == "efficientnet_b0":  # tensorflow#49930: the file's variance is the standard deviation
        values = [np.array(value) for value in (IMAGENET_MEAN, IMAGENET_DEVIATION, 0)]
        model.layers[2].set_weights(values)
    return model


def save(model, path):
    """In the format that the name asks for."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


def published(name):
    """Keras' own way to ImageNet's weights; it warns of sides of which it has none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`input_shape` is undefined")
        side = ARCHITECTURES[name].smallest_side
        return KERAS[name][0](input_shape=(side, side, 3), include_top=False, weights="imagenet")


def answer(model, images):
    """Without `predict`, which would compile a graph for two images."""
    return keras.ops.convert_to_numpy(model(images, training=False))


def features(model, images):
    return answer(keras.Model(model.input, model.get_layer("features").output), images)


@pytest.mark.parametrize(
    ("scale", "mode"), [(pixels_to_unit, "tf"), (pixels_standardised, "torch"), (pixels_to_bgr, "caffe")]
)
def test_scaling_is_that_of_keras(scale, mode):
    inputs = keras.Input((5, 5, 3))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 5, 5, 3)).astype(np.float32)
    expected = applications.imagenet_utils.preprocess_input(pixels.copy(), mode=mode)
    assert answer(keras.Model(inputs, scale(inputs)), pixels) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    "file_name", ["network.weights.h5", pytest.param("network.h5", marks=pytest.mark.slow)]
)
def test_features_with_weights_are_those_of_keras(name, file_name, tmp_path, monkeypatch):
    side = ARCHITECTURES[name].smallest_side
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3)).astype(np.float32)
    path = save(donor(name), tmp_path / file_name)
    monkeypatch.setattr(DOWNLOAD, lambda *arguments, **options: str(path))
    maps = answer(published(name), KERAS[name][1].preprocess_input(images.copy()))
    model = ARCHITECTURES[name].build((side, side, 3), 3, weights=path)
    assert features(model, images) == pytest.approx(maps.mean(axis=(1, 2)), rel=1e-3, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", TAKE_WEIGHTS)
def test_downloaded_weights_are_those_of_the_file(name, tmp_path, monkeypatch):
    """And the file is asked for by the name under which `find_weights` looks for it."""
    side = ARCHITECTURES[name].smallest_side
    path, asked = save(donor(name), tmp_path / "network.weights.h5"), []
    monkeypatch.setattr(DOWNLOAD, lambda file, *arguments, **options: asked.append(file) or str(path))
    downloaded = ARCHITECTURES[name].build((side, side, 3), 3, weights="imagenet")
    loaded = ARCHITECTURES[name].build((side, side, 3), 3, weights=path)
    pairs = zip(downloaded.get_weights()[:-2], loaded.get_weights()[:-2], strict=True)  # but the head's
    assert all(np.array_equal(one, other) for one, other in pairs)
    assert asked == [keras_file(name, {})]


@pytest.mark.parametrize("content", ["missing", "cut short", "no weights", "another network's"])
def test_file_that_does_not_fit_is_named(content, tmp_path):
    path = tmp_path / "network.weights.h5"
    if content != "missing":
        other = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(8, 3)])
        whole = save(other, path).read_bytes()
        path.write_bytes({"cut short": whole[:-100], "no weights": b"-"}.get(content, whole))
    with pytest.raises(ConfigError, match=r'network\.weights\.h5" cannot be loaded into vgg16') as raised:
        build_pretrained("vgg16", (32, 32, 3), 3, weights=str(path), options={})
    message = str(raised.value)
    assert "include_top=False" in message and "set config.model.weights" in message


def test_failed_download_says_where_to_put_the_file(folder, monkeypatch):
    def fail(*arguments, **options):
        raise Exception("URL fetch failure")  # as keras.utils.get_file does

    monkeypatch.setattr(DOWNLOAD, fail)
    words = r"could not be downloaded: URL fetch failure; put mobilenet_v2_.*_0\.35_224_no_top\.h5 into a"
    with pytest.raises(ConfigError, match=words):
        build_pretrained("mobilenet_v2", (32, 32, 3), 3, weights="imagenet", options={"alpha": 0.35})


def test_width_without_published_weights_is_refused(folder):
    with pytest.raises(ConfigError, match=r"alpha must be one of .*0\.35"):
        build_pretrained("mobilenet_v2", (32, 32, 3), 3, weights="imagenet", options={"alpha": 0.4})


@pytest.mark.parametrize("name", TAKE_WEIGHTS)
def test_weights_are_found_by_the_name_of_keras(name, folder):
    assert resolve_weights(name, "imagenet", {}) == "imagenet"
    (folder / keras_file(name, {})).touch()
    assert find_weights(name, {}) == folder / keras_file(name, {})
    assert resolve_weights(name, "imagenet", {}) == folder / keras_file(name, {})


@pytest.mark.parametrize(
    ("name", "options", "file_name"),
    [
        ("mobilenet_v2", {}, "mobilenetv2_1.0_224_imagenet_dequant_notop.weights.h5"),
        ("mobilenet_v2", {"alpha": 1}, "mobilenetv2_1.0_224_imagenet_notop.weights.h5"),
        ("mobilenet_v2", {"alpha": 0.35}, "mobilenetv2_0.35_224_imagenet_notop.weights.h5"),
        ("efficientnet_v2_b0", {}, "efficientnetv2b0_224_imagenet_notop.weights.h5"),
        ("vgg16", {}, "vgg16_imagenet_notop.weights.h5"),
    ],
)
def test_weights_are_found_by_their_own_name(name, options, file_name, folder):
    (folder / file_name).touch()
    assert find_weights(name, options) == folder / file_name
    assert find_weights("mobilenet_v2", {"alpha": 0.5}) is None and find_weights("resnet50", {}) is None


def test_weights_in_the_cache_of_keras_come_second(folder):
    name = keras_file("vgg16", {})
    (folder / "keras" / "models").mkdir(parents=True)
    (folder / "keras" / "models" / name).touch()
    assert find_weights("vgg16", {}) == folder / "keras" / "models" / name
    (folder / name).touch()
    assert find_weights("vgg16", {}) == folder / name


def test_architecture_without_weights_is_named():
    with pytest.raises(ConfigError, match=r'for residual, received "imagenet": .* one of vgg16, resnet50'):
        resolve_weights("residual", "imagenet", {})
    assert resolve_weights("residual", None, {}) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alpha", "file_name"),
    [
        (0.35, "mobilenetv2_0.35_224_imagenet_notop.weights.h5"),
        (1.0, "mobilenetv2_1.0_224_imagenet_dequant_notop.weights.h5"),
    ],
)
def test_real_weights_are_loaded(alpha, file_name):
    if not (REAL_WEIGHTS / file_name).is_file():
        pytest.skip("ImageNet's weights are not on this machine")
    plain = applications.MobileNetV2((96, 96, 3), alpha=alpha, include_top=False, weights=None, pooling="avg")
    plain.load_weights(REAL_WEIGHTS / file_name)
    images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype(np.float32)
    expected = answer(plain, images / 127.5 - 1)
    model = ARCHITECTURES["mobilenet_v2"].build((96, 96, 3), 3, weights=REAL_WEIGHTS / file_name, alpha=alpha)
    assert features(model, images) == pytest.approx(expected, abs=1e-4)
    assert math.isfinite(expected.sum()) and expected.std() > 0

"""Exported and int8 models are split where Keras is, without TensorFlow, and serve as if they were not."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from vision.classifier import ImageClassifier
from vision.compression.candidates import convert
from vision.explanation import METHODS, activation_maps
from vision.exporting.converters import mark_features
from vision.preprocessing import Preprocessing
from vision.runtimes import SplitModel
from vision.runtimes.keras_runtime import KerasRuntime
from vision.runtimes.litert_runtime import FEATURES_FILE, LiteRTRuntime
from vision.runtimes.openvino_runtime import OpenVINORuntime

SIDE = 16
IMAGES = np.random.default_rng(0).integers(0, 256, (12, SIDE, SIDE, 3), dtype=np.uint8)
KINDS = [(name, precision) for name in ("litert", "openvino") for precision in ("float32", "int8")]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=["-".join(kind) for kind in KINDS])


def classifier_of(runtime: object) -> ImageClassifier:
    return ImageClassifier(runtime, Preprocessing(image_size=(SIDE, SIDE)), ("a", "b", "c"))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def original() -> KerasRuntime:
    """Its feature map is (4, 4, 8): the max pool. The head is all that a head may hold.

    Strides and a shortcut, since it goes on to (2, 2), squeeze-and-excitation, and a flat vector.
    """
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.MaxPooling2D()(x)
    shortcut = keras.layers.Conv2D(8, 1, strides=2)(x)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.Multiply()([x, squeezed(x)])
    x = keras.layers.Flatten(name="features")(keras.layers.Add()([x, shortcut]))
    return KerasRuntime(keras.Model(inputs, keras.layers.Dense(3, name="logits")(x)))


def squeezed(x: keras.KerasTensor) -> keras.KerasTensor:
    """As EfficientNet has it."""
    weights = keras.layers.Reshape((1, 1, 8))(keras.layers.GlobalAveragePooling2D()(x))
    weights = keras.layers.Conv2D(4, 1, activation="relu")(weights)
    return keras.layers.Conv2D(8, 1, activation="sigmoid")(weights)


@pytest.fixture(scope="module")
def converted(original: KerasRuntime) -> dict[tuple[str, str], ImageClassifier]:
    made = convert(classifier_of(original), IMAGES, ("litert", "openvino"))
    return {(each.runtime.name, each.runtime.precision): each for each in made}


def split_of(runtime: object) -> SplitModel:
    split = runtime.split()  # type: ignore[attr-defined]
    assert split is not None
    return split


def unmarked(runtime: object) -> LiteRTRuntime | OpenVINORuntime:
    """The same model that does not know its features, as bundles were before."""
    if isinstance(runtime, LiteRTRuntime):
        return LiteRTRuntime(runtime._model, runtime.precision)
    assert isinstance(runtime, OpenVINORuntime)
    model = runtime._model.clone()
    for operation in model.get_ordered_ops():
        if any("sightline" in name for name in operation.output(0).get_names()):
            operation.output(0).get_tensor().set_names(set())
    return OpenVINORuntime(model, runtime.precision)


def files(runtime: object, folder: Path) -> dict[str, int]:
    folder.mkdir()
    runtime.save(folder)  # type: ignore[attr-defined]
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_split_keras_model_is_the_model(original) -> None:
    split = split_of(original)
    features = split.features(IMAGES)
    assert features.shape == (12, 4, 4, 8) and features.dtype == np.float32
    assert split.head(features) == pytest.approx(original.logits(IMAGES), abs=1e-5)


@each_kind
def test_split_exported_model_has_the_features_of_keras(kind, original, converted) -> None:
    expected, split = split_of(original).features(IMAGES), split_of(converted[kind].runtime)
    features = split.features(IMAGES)
    assert features.shape == expected.shape
    # The mean, because int8 cuts off the largest values.
    assert np.abs(features - expected).mean() < (1e-5 if kind[1] == "float32" else 0.02 * expected.max())


@each_kind
def test_head_of_the_features_gives_the_logits(kind, converted) -> None:
    runtime = converted[kind].runtime
    split, logits = split_of(runtime), runtime.logits(IMAGES)
    differences = np.abs(split.head(split.features(IMAGES)) - logits)
    assert differences.mean() < (1e-5 if kind[1] == "float32" else 0.05 * np.abs(logits).max())


@each_kind
def test_head_computes_in_float32(kind, converted) -> None:
    """A hundredth of the features moves the logits by steps that int8 does not have."""
    split = split_of(converted[kind].runtime)
    features = split.features(IMAGES[:1])
    steps = split.head(features * np.linspace(0, 0.01, 30, dtype=np.float32)[:, None, None, None])
    assert len(np.unique(steps[:, 0])) == 30


@each_kind
def test_int8_features_have_the_steps_of_int8(kind, converted) -> None:
    features = split_of(converted[kind].runtime).features(IMAGES)
    assert (len(np.unique(features)) <= 256) == (kind[1] == "int8")


@each_kind
def test_marked_model_serves_the_same_logits(kind, converted, tmp_path) -> None:
    """Bit for bit, also after an explanation, from one output."""
    runtime = converted[kind].runtime
    before = unmarked(runtime).logits(IMAGES)
    split_of(runtime).features(IMAGES)
    assert np.array_equal(runtime.logits(IMAGES), before)
    assert outputs(runtime, tmp_path) == 1


def outputs(runtime: object, folder: Path) -> int:
    if isinstance(runtime, LiteRTRuntime):
        from ai_edge_litert.interpreter import Interpreter

        return len(Interpreter(model_content=runtime._model).get_output_details())
    import openvino as ov

    runtime.save(folder)  # type: ignore[attr-defined]
    return len(ov.Core().read_model(folder / "model.xml").outputs)


@each_kind
def test_bundle_grows_by_a_name(kind, converted, tmp_path) -> None:
    runtime = converted[kind].runtime
    before, after = files(unmarked(runtime), tmp_path / "before"), files(runtime, tmp_path / "after")
    assert sum(after.values()) - sum(before.values()) < 200
    if kind[0] == "litert":
        assert json.loads((tmp_path / "after" / FEATURES_FILE).read_text()).keys() == {"tensor"}


@each_kind
def test_nothing_is_split_before_an_explanation_is_asked_for(kind, converted) -> None:
    runtime = converted[kind].runtime
    fresh = (
        LiteRTRuntime(runtime._model, "int8", features=runtime._features)
        if kind[0] == "litert"
        else OpenVINORuntime(runtime._model, "int8")
    )
    fresh.logits(IMAGES)
    assert "_split" not in vars(fresh)


EXPLAIN = """
import sys
import numpy as np
from pathlib import Path
from vision.classifier import ImageClassifier
from vision.explanation import activation_maps

classifier = ImageClassifier.load(Path(sys.argv[1]))
found = activation_maps(classifier, np.load(sys.argv[2]), np.array([0, 1, 2]))
np.save(sys.argv[3], found.maps)
print(found.method, sorted({"tensorflow", "keras", "sklearn", "mapie"} & set(sys.modules)))
"""


@each_kind
def test_bundle_is_explained_without_tensorflow(kind, converted, tmp_path) -> None:
    classifier = converted[kind]
    classifier.save(tmp_path / "bundle")
    np.save(tmp_path / "images.npy", IMAGES[:3])
    arguments = [str(tmp_path / name) for name in ("bundle", "images.npy", "maps.npy")]
    done = subprocess.run(
        [sys.executable, "-c", EXPLAIN, *arguments], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "ReciproCAM []", done.stderr
    expected = activation_maps(classifier, IMAGES[:3], np.array([0, 1, 2])).maps
    assert np.load(tmp_path / "maps.npy") == pytest.approx(expected, abs=1e-4)


@each_kind
def test_bundle_of_before_is_occluded(kind, converted) -> None:
    classifier = classifier_of(unmarked(converted[kind].runtime))
    found = activation_maps(classifier, IMAGES[:1], np.array([0]))
    assert found.method == METHODS["occlusion"].title


@each_kind
def test_model_whose_features_are_not_found_is_left_as_it_was(kind, converted, caplog) -> None:
    """Asked for features of another model, of the same shape."""
    runtime = unmarked(converted[kind].runtime)
    random = np.random.default_rng(0)
    other = SplitModel(
        lambda images: random.normal(size=(len(images), 4, 4, 8)).astype(np.float32), lambda maps: maps
    )
    with caplog.at_level(logging.WARNING):
        assert mark_features(runtime, other, IMAGES[:4]) is runtime
    assert f"no feature map of shape (4, 4, 8) in {kind[0]} {kind[1]}" in caplog.text


def test_model_that_the_engine_refuses_to_split_is_left_as_it_was(original, converted, monkeypatch) -> None:
    """It serves well without: no reason to fail the export."""
    runtime = unmarked(converted["litert", "int8"].runtime)
    monkeypatch.setattr("vision.runtimes.litert_graph.behind", lambda file, tensor: b"no model")
    assert mark_features(runtime, original.split(), IMAGES[:4]) is runtime


def test_ensembles_are_left_as_they_are(converted) -> None:
    """Their Keras model has no feature map of its own."""
    runtime = converted["openvino", "int8"].runtime
    assert mark_features(runtime, None, IMAGES[:4]) is runtime


def test_shortcut_around_a_place_is_no_place_to_split(converted) -> None:
    """Of all that is (2, 2, 8), the logits follow from the sum alone: not from its branches."""
    runtime = converted["litert", "float32"].runtime
    splits = [runtime.with_features(place).split() for place in runtime.places((2, 2, 8))]
    assert [split is None for split in splits] == [True, True, True, False]

"""Every runtime gives the Keras model's answers; the choice keeps to the budget; golden vectors bite."""

from dataclasses import replace

import keras
import nncf
import numpy as np
import openvino as ov
import pytest

from models import ARCHITECTURES
from models.blocks import pixels_standardised, pixels_to_bgr, pixels_to_unit
from vision.bundle import seal
from vision.classifier import ImageClassifier
from vision.compression.candidates import convert
from vision.errors import BundleError, DataError
from vision.exporting.converters import EXPORTERS, batch_of_one, export_saved_model, to_openvino, whole_ranges
from vision.golden import EXPECTED, FOLDER, check_golden, write_golden
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime
from vision.runtimes.openvino_runtime import OpenVINORuntime

SIDE, CLASSES = 16, 3
# It converts in seconds; the others take up to a minute each.
OTHERS = [
    name if name == "reference_a" else pytest.param(name, marks=pytest.mark.slow)
    for name in sorted(set(ARCHITECTURES) - {"residual"})
]
COMPILED = tuple(EXPORTERS)
IMAGES = np.random.default_rng(0).integers(0, 256, (40, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def original():
    keras.utils.set_random_seed(0)
    model = ARCHITECTURES["residual"].build((SIDE, SIDE, 3), CLASSES, filters=8, stages=2)
    preprocessing = Preprocessing(image_size=(SIDE, SIDE))
    return ImageClassifier(KerasRuntime(model), preprocessing, ("a", "b", "c"), temperature=1.5)


@pytest.fixture(scope="module")
def candidates(original):
    return convert(original, IMAGES, COMPILED)


def test_convert_gives_every_runtime_in_both_precisions(candidates):
    made = {(candidate.runtime.name, candidate.runtime.precision) for candidate in candidates}
    assert made == {(name, precision) for name in COMPILED for precision in ("float32", "int8")}


def test_every_runtime_gives_the_answers_of_keras(original, candidates):
    expected = original.predict(IMAGES)
    for candidate in candidates:
        tolerance = 1e-4 if candidate.runtime.precision == "float32" else 0.05
        assert np.abs(candidate.predict(IMAGES) - expected).max() < tolerance


@pytest.mark.parametrize("name", OTHERS)
def test_every_architecture_converts(name):
    keras.utils.set_random_seed(0)
    side = max(SIDE, ARCHITECTURES[name].smallest_side)
    images = np.random.default_rng(0).integers(0, 256, (40, side, side, 3), dtype=np.uint8)
    model = ARCHITECTURES[name].build((side, side, 3), CLASSES)
    trained = ImageClassifier(KerasRuntime(model), Preprocessing(image_size=(side, side)), ("a", "b", "c"))
    expected = trained.predict(images)
    for candidate in convert(trained, images, COMPILED):
        tolerance = 1e-4 if candidate.runtime.precision == "float32" else 0.05
        assert np.abs(candidate.predict(images) - expected).max() < tolerance


@pytest.mark.parametrize("begin", [pixels_to_unit, pixels_standardised, pixels_to_bgr])
def test_int8_sees_the_pixels_that_float32_sees(begin):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.Conv2D(8, 3, activation="relu")(begin(inputs))
    outputs = keras.layers.Dense(CLASSES)(keras.layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(inputs, outputs)
    trained = ImageClassifier(KerasRuntime(model), Preprocessing(image_size=(SIDE, SIDE)), ("a", "b", "c"))
    expected = trained.logits(IMAGES)
    for candidate in convert(trained, IMAGES, COMPILED):
        assert np.abs(candidate.logits(IMAGES) - expected).max() < 0.05 * np.abs(expected).max()


def test_every_runtime_answers_the_same_for_one_image_and_for_many(original, candidates):
    for classifier in (original, *candidates):
        many = classifier.logits(IMAGES)
        one_by_one = np.concatenate([classifier.logits(image[None]) for image in IMAGES[:5]])
        assert many.shape == (40, CLASSES) and many.dtype == np.float32
        assert np.abs(many[:5] - one_by_one).max() < 1e-3


def test_every_runtime_is_the_same_after_saving(original, candidates, tmp_path):
    for number, classifier in enumerate((original, *candidates)):
        classifier.save(tmp_path / str(number))
        loaded = ImageClassifier.load(tmp_path / str(number))
        assert np.array_equal(loaded.predict(IMAGES), classifier.predict(IMAGES))
        assert loaded.temperature == 1.5 and loaded.class_names == ("a", "b", "c")
        assert loaded.preprocessing == classifier.preprocessing


def test_task_and_thresholds_survive_saving(candidates, tmp_path):
    labelling = replace(candidates[0], task="multi_label").with_thresholds((0.2, 0.5, 0.7))
    digest = labelling.save(tmp_path / "bundle")
    loaded = ImageClassifier.load(tmp_path / "bundle")
    assert (loaded.task, loaded.thresholds) == ("multi_label", (0.2, 0.5, 0.7))
    assert np.array_equal(loaded.predict(IMAGES), labelling.predict(IMAGES))
    assert loaded.digest == digest


def test_bundle_of_before_there_were_tasks_is_multi_class(candidates, tmp_path):
    description = candidates[0].write_files(tmp_path)
    seal(tmp_path, {key: description[key] for key in description if key not in ("task", "thresholds")})
    loaded = ImageClassifier.load(tmp_path)
    assert (loaded.task, loaded.thresholds) == ("multi_class", ())
    assert np.array_equal(loaded.predict(IMAGES), candidates[0].predict(IMAGES))


def test_compiled_classifiers_keep_their_digest(candidates, tmp_path):
    """By it a classifier is known again, and not registered twice."""
    for number, classifier in enumerate(candidates):
        digest = classifier.save(tmp_path / str(number))
        assert ImageClassifier.load(tmp_path / str(number)).digest == digest == classifier.digest


def test_biases_corrected_in_turn_bring_int8_nearer_to_float32(tmp_path):
    """Than those that are corrected each by itself, NNCF's default."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((SIDE, SIDE, 3))
    for _ in range(5):
        biases = keras.initializers.RandomNormal(stddev=0.1)
        x = keras.layers.Conv2D(16, 3, padding="same", activation="relu", bias_initializer=biases)(x)
    outputs = keras.layers.Dense(CLASSES)(keras.layers.GlobalAveragePooling2D()(x))
    saved_model = export_saved_model(keras.Model(inputs, outputs), tmp_path / "model")
    samples = nncf.Dataset(IMAGES, batch_of_one)
    quick = nncf.quantize(
        ov.convert_model(str(saved_model)), samples,
        subset_size=len(IMAGES), advanced_parameters=whole_ranges(),
    )  # fmt: skip
    expected = to_openvino(saved_model).logits(IMAGES)

    errors = [
        np.square(runtime.logits(IMAGES) - expected).mean()
        for runtime in (to_openvino(saved_model, IMAGES), OpenVINORuntime(quick, "int8"))
    ]

    assert errors[0] < 0.75 * errors[1]


def test_convert_refuses_one_calibration_image(original):
    with pytest.raises(DataError, match=r"received 1 .* config\.compress\.calibration_images"):
        convert(original, IMAGES[:1], ("litert",))


def test_golden_vectors_hold_for_labels(candidates, tmp_path):
    labelling = replace(candidates[0], task="multi_label")
    write_golden(labelling, {}, tmp_path)
    check_golden(labelling, tmp_path)
    with pytest.raises(BundleError, match="probabilities of golden image"):
        check_golden(candidates[0], tmp_path)


def test_golden_vectors_come_out_right_where_nothing_changed(candidates, tmp_path):
    for number, candidate in enumerate(candidates):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_golden(candidate, {}, folder)
        check_golden(candidate, folder)


def test_golden_vectors_name_what_differs(candidates, tmp_path):
    classifier = candidates[0]
    write_golden(classifier, {}, tmp_path)
    seal(tmp_path, {})
    with pytest.raises(BundleError, match="probabilities of golden image"):
        check_golden(classifier.with_temperature(0.05), tmp_path)
    other = Preprocessing(image_size=(SIDE, SIDE), resize="crop")
    skewed = ImageClassifier(classifier.runtime, other, classifier.class_names, classifier.temperature)
    with pytest.raises(BundleError, match="pixels of golden image"):
        check_golden(skewed, tmp_path)


def test_golden_vectors_catch_answers_that_are_no_numbers(candidates, tmp_path):
    write_golden(candidates[0], {}, tmp_path)
    with np.load(tmp_path / FOLDER / EXPECTED) as expected:
        content = dict(expected)
    content["probabilities"] = np.full_like(content["probabilities"], np.nan)
    np.savez(tmp_path / FOLDER / EXPECTED, **content)
    with pytest.raises(BundleError, match="probabilities"):
        check_golden(candidates[0], tmp_path)

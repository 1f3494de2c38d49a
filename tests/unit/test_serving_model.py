"""The SavedModel for TensorFlow Serving: the classifier's answers, from pixels and from files."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from struct import pack
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from tests.unit.simulated_answers import classifier_of
from vision.classifier import ImageClassifier
from vision.errors import BundleError, ConfigError, ImageError
from vision.exporting.serving_model import WARMUP_FILE, export_serving_model, to_probabilities
from vision.exporting.serving_pixels import jpeg_orientation, preprocess
from vision.golden import hostile_images
from vision.preprocessing import Preprocessing
from vision.runtimes import load_runtime
from vision.runtimes.keras_runtime import KerasRuntime

SIDE, NAMES = 32, ("a", "b", "ç")
HOSTILE = hostile_images()
# Steps of 255. Of a gray image of 16 bits TensorFlow takes the upper 8, Pillow's pixels are divided by 257.
TOLERANCES = {name: 2 if name == "gray16.png" else 1 for name in HOSTILE}
PREPROCESSINGS = [
    Preprocessing(image_size=(SIDE, 20)),
    Preprocessing(image_size=(20, SIDE), resize="crop"),
    Preprocessing(image_size=(SIDE, SIDE), resize="pad", background=(1, 200, 30)),
    Preprocessing(image_size=(SIDE, SIDE), interpolation="nearest", resize="crop"),
    Preprocessing(image_size=(SIDE, SIDE), interpolation="lanczos", dct_scaling=False),
    Preprocessing(image_size=(9, 9), interpolation="bicubic"),
]
REAL = Path("../shared/data")


@cache
def graph(preprocessing: Preprocessing) -> Any:
    signature = [tf.TensorSpec((None,), tf.string)]
    return tf.function(lambda files: preprocess(files, preprocessing), signature, autograph=False)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def picture(width: int, height: int) -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def classifier() -> ImageClassifier:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs)))
    preprocessing = Preprocessing(image_size=(SIDE, SIDE))
    return ImageClassifier(KerasRuntime(keras.Model(inputs, logits)), preprocessing, NAMES, temperature=1.5)


@pytest.fixture(scope="module")
def base(classifier: ImageClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("serving")
    assert export_serving_model(classifier, base) == base / "1"
    return base


@pytest.fixture(scope="module")
def signatures(base: Path) -> Any:
    loaded = tf.saved_model.load(str(base / "1"))
    yield loaded.signatures


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS, ids=lambda one: f"{one.resize}-{one.interpolation}")
def test_the_graph_gives_the_pixels_of_every_golden_image(preprocessing: Preprocessing) -> None:
    received = graph(preprocessing)(tf.constant(list(HOSTILE.values()))).numpy()
    expected = np.stack([preprocessing.apply(data) for data in HOSTILE.values()])
    worst = np.abs(received - expected).max(axis=(1, 2, 3))
    assert dict(zip(HOSTILE, worst, strict=True)) == {
        name: pytest.approx(0, abs=tolerance) for name, tolerance in TOLERANCES.items()
    }


@pytest.mark.parametrize("size", [(40, 30), (130, 129), (1000, 300), (301, 1100)])
def test_large_jpegs_are_decoded_as_small_as_elsewhere(size: tuple[int, int]) -> None:
    """At 1/1, 1/2, 1/4 and 1/8; upright and on its side, where the model's height limits the width."""
    preprocessing = Preprocessing(image_size=(SIDE, 2 * SIDE))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [encode(picture(*size), "JPEG"), encode(picture(*size), "JPEG", exif=exif)]
    expected = np.stack([preprocessing.apply(data) for data in files])
    assert np.abs(graph(preprocessing)(tf.constant(files)).numpy() - expected).max() <= 1


@pytest.mark.parametrize(
    "image",
    [picture(9, 8).convert("1"), picture(9, 8).quantize(3), picture(9, 8).quantize(200)],
    ids=["two grays", "three colours", "200 colours"],
)
@pytest.mark.parametrize("options", [{}, {"transparency": 1}], ids=["opaque", "with a clear colour"])
def test_pngs_of_few_bits_keep_their_pixels(image: Image.Image, options: dict[str, int]) -> None:
    data, preprocessing = encode(image, "PNG", **options), Preprocessing(image_size=(8, 9))
    received = graph(preprocessing)(tf.constant([data])).numpy()[0]
    assert np.abs(received - preprocessing.apply(data)).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_of_both_byte_orders_and_after_other_tags(orientation: int, order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0110], exif[0x0112] = "maker", "model", orientation
    assert int(jpeg_orientation(tf.constant(encode(picture(9, 8), "JPEG", exif=exif)))) == orientation


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0",
    ],
    ids=["none", "header cut short", "place outside", "entries cut short", "entry cut short"],
)
def test_a_broken_exif_block_says_nothing(block: bytes) -> None:
    plain = encode(picture(9, 8), "JPEG")
    segment = b"Exif\0\0" + block
    data = plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment + plain[2:]
    assert int(jpeg_orientation(tf.constant(data))) in range(1, 9)
    assert graph(Preprocessing(image_size=(8, 9)))(tf.constant([data])).shape == (1, 8, 9, 3)


# Entries of an EXIF directory as hostile files have them: several of one tag, types that no camera writes.
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from([0x0110, 0x0112, 0x0112]),
        st.sampled_from([0, 1, 3, 3, 4, 7, 8, 9, 14]),  # TIFF 6.0, section 2; 0 and 14 are none
        st.sampled_from([0, 1, 1, 1]),
        st.sampled_from([0, 1, 3, 6, 8, 9, 200]),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(entries=ENTRIES, order=st.sampled_from("<>"))
def test_a_strange_exif_directory_turns_an_image_as_pillow_does(
    entries: list[tuple[int, int, int, int]], order: str
) -> None:
    block = (b"II*\0\x08\0\0\0" if order == "<" else b"MM\0*\0\0\0\x08") + pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        number = pack(order + "H2x", value) if kind in (3, 8) else pack(order + "I", value)
        block += pack(order + "HHI", tag, kind, count) + number
    segment = b"Exif\0\0" + block + bytes(4)
    plain = encode(picture(9, 8), "JPEG")
    data = plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment + plain[2:]
    preprocessing = Preprocessing(image_size=(8, 9), interpolation="nearest")
    assert np.array_equal(graph(preprocessing)(tf.constant([data])).numpy()[0], preprocessing.apply(data))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "BMP", "TIFF"])
def test_other_formats_are_refused(format: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="neither a JPEG nor a PNG"):
        graph(Preprocessing())(tf.constant([encode(picture(9, 8), format)]))


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("length", [0, 2, 8, 20, 300])
def test_what_is_cut_short_is_refused(format: str, length: int) -> None:
    data = encode(picture(64, 64), format)[:length]
    with pytest.raises(ImageError):
        Preprocessing().apply(data)
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph(Preprocessing())(tf.constant([data]))


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_too_many_pixels_are_refused(format: str) -> None:
    files = tf.constant([encode(picture(9, 8), format)])
    assert graph(Preprocessing(image_size=(8, 8), max_pixels=72))(files).shape == (1, 8, 8, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than the 71 pixels"):
        graph(Preprocessing(max_pixels=71))(files)


def test_no_file_gives_no_pixels() -> None:
    assert graph(Preprocessing(image_size=(8, 9)))(tf.constant([], tf.string)).shape == (0, 8, 9, 3)


def test_orientation_of_a_png_is_a_known_limit() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    data, preprocessing = encode(picture(9, 9), "PNG", exif=exif), Preprocessing(image_size=(9, 9))
    received = graph(preprocessing)(tf.constant([data])).numpy()[0]
    assert np.array_equal(np.rot90(received, 2), preprocessing.apply(data))


def test_the_signatures_answer_as_the_classifier(classifier: ImageClassifier, signatures: Any) -> None:
    pixels = np.stack([classifier.preprocessing.apply(data) for data in HOSTILE.values()])
    answers = signatures["serving_default"](images=tf.constant(pixels, tf.float32))
    assert np.abs(answers["logits"] - classifier.logits(pixels)).max() < 1e-4
    assert np.abs(answers["probabilities"] - classifier.predict(pixels)).max() < 1e-5
    of_files = signatures["serving_bytes"](encoded=tf.constant(list(HOSTILE.values())))
    # A step of 255 in every pixel moves the logits of this linear model by a few hundredths.
    assert np.abs(of_files["probabilities"] - classifier.predict(pixels)).max() < 0.02
    assert of_files["logits"].shape == (len(HOSTILE), len(NAMES))


def test_clients_can_ask_for_the_names(signatures: Any) -> None:
    names = signatures["class_names"](indices=tf.constant([2, 0], tf.int64))["names"].numpy()
    assert [name.decode() for name in names] == ["ç", "a"]


LOGITS = np.random.default_rng(0).normal(0, 30, (20, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "calibrated",
    [
        classifier_of(LOGITS).with_temperature(2.5),
        classifier_of(LOGITS).with_vector([1, 2, 0.5], [0.1, -1, 1]),
        classifier_of(LOGITS, "multi_label").with_temperature(0.3),
        classifier_of(LOGITS, "multi_label").with_vector([1, 2, 0.5], [0.1, -1, 1]),
    ],
    ids=["temperature", "vector", "labels", "labels, vector"],
)
def test_probabilities_are_calibrated_in_the_graph(calibrated: ImageClassifier) -> None:
    received = to_probabilities(tf.constant(LOGITS), calibrated).numpy()
    np.testing.assert_allclose(received, calibrated.to_probabilities(LOGITS), atol=1e-6)


def test_enhanced_images_cannot_be_served(classifier: ImageClassifier, tmp_path: Path) -> None:
    enhanced = classifier.preprocessing.model_copy(
        update={"enhance": classifier.preprocessing.enhance.model_copy(update={"sharpen": 0.5})}
    )
    with pytest.raises(ConfigError, match=r"sharpen 0\.5.*config\.prepare\.enhance"):
        export_serving_model(replace(classifier, preprocessing=enhanced), tmp_path)


def test_warmup_requests_are_what_the_signatures_take(base: Path, signatures: Any) -> None:
    asked = []
    for record in tf.data.TFRecordDataset(str(base / "1" / WARMUP_FILE)):
        log = PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        ((name, tensor),) = request.inputs.items()
        values = tf.constant(tf.make_ndarray(tensor))
        answers = signatures[request.model_spec.signature_name](**{name: values})
        asked.append((request.model_spec.signature_name, answers["probabilities"].shape))
    assert asked == [("serving_default", (1, 3)), ("serving_bytes", (2, 3))]


def test_the_runtime_opens_the_greatest_version(
    base: Path, classifier: ImageClassifier, tmp_path: Path
) -> None:
    load_runtime("saved_model", base, "float32").save(tmp_path)
    (tmp_path / "1").rename(tmp_path / "10")
    (tmp_path / "9").mkdir()
    (tmp_path / "notes").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, SIDE, SIDE, 3), dtype=np.uint8)
    received = load_runtime("saved_model", tmp_path, "float32").logits(pixels)
    assert np.abs(received - classifier.logits(pixels)).max() < 1e-4


def test_the_runtime_needs_a_version(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="version's number"):
        load_runtime("saved_model", tmp_path, "float32")


@pytest.mark.slow
@pytest.mark.parametrize("preprocessing", PREPROCESSINGS[:4], ids=lambda one: one.resize)
def test_real_files_give_the_same_pixels_or_are_refused(preprocessing: Preprocessing) -> None:
    files = [*REAL.glob("hostile-images/*.*"), *REAL.glob("exif-orientation/*.jpg")]
    if not files:
        pytest.skip(f"no images in {REAL}/hostile-images and {REAL}/exif-orientation")
    decode = graph(preprocessing)
    for file in files:
        try:
            expected = preprocessing.apply(file.read_bytes())
            received = decode(tf.constant([file.read_bytes()])).numpy()[0]
        except (ImageError, tf.errors.InvalidArgumentError):
            assert file.suffix not in (".jpg", ".png") or "trunc" in file.name or "broken" in file.name
            continue
        assert np.abs(received - expected).max() <= 1, file.name

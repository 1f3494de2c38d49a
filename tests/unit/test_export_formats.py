"""Every format gives the Keras model's answers or is not kept; what every export is made from."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from onnx.checker import ValidationError
from PIL import Image

from models import ARCHITECTURES
from tests.registry import fake_classifier
from vision.bundle import DESCRIPTION, atomic_folder, open_bundle, seal
from vision.classifier import ImageClassifier
from vision.decoding import Pixels
from vision.errors import BundleError, DataError
from vision.exporting.checked import Exported, export_checked
from vision.exporting.files import ExportSkipped
from vision.exporting.formats import FORMATS, NETWORK, keras_original
from vision.exporting.images import NOISE_IMAGES, parity_images, read_calibration
from vision.golden import hostile_images, write_golden
from vision.preprocessing import Preprocessing
from vision.runtimes import RUNTIMES
from vision.runtimes.keras_runtime import KerasRuntime

SIDE = 16
IMAGES: Pixels = np.random.default_rng(0).integers(0, 256, (40, SIDE, SIDE, 3), dtype=np.uint8)
OPENED = tuple(name for name, row in FORMATS.items() if row.open is not None)


def build(architecture: str, side: int, **options: int) -> ImageClassifier:
    keras.utils.set_random_seed(0)
    model = ARCHITECTURES[architecture].build((side, side, 3), 3, **options)
    preprocessing = Preprocessing(image_size=(side, side))
    return ImageClassifier(KerasRuntime(model), preprocessing, ("a", "b", "c"), temperature=1.5)


@pytest.fixture(scope="module")
def original() -> ImageClassifier:
    return build("residual", SIDE, filters=8, stages=2)


def export(name: str, classifier: ImageClassifier, folder: Path) -> Exported:
    return export_checked(name, classifier, folder, calibration=IMAGES, pixels=IMAGES)


def size_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", OPENED)
def test_every_format_answers_as_the_original(name: str, original: ImageClassifier, tmp_path: Path) -> None:
    folder = tmp_path / name
    exported = export(name, original, folder)
    assert exported.parity is not None and exported.parity.ok
    assert exported.path.exists() and exported.path.is_relative_to(folder)
    assert exported.size_bytes == sum(map(size_bytes, folder.rglob("*"))) - size_bytes(folder / DESCRIPTION)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert open_bundle(folder)["format"] == name
    if FORMATS[name].runtime in RUNTIMES:
        loaded = ImageClassifier.load(folder)
        difference = np.abs(loaded.predict(IMAGES) - original.predict(IMAGES)).max()
        assert difference == pytest.approx(exported.parity.largest_difference, abs=1e-6)
        assert (loaded.class_names, loaded.preprocessing) == (original.class_names, original.preprocessing)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_exports_to_onnx_and_for_serving(name: str, tmp_path: Path) -> None:
    """But for ConvNeXt's grouped convolutions, which Keras compiles by XLA, and tf2onnx cannot read."""
    classifier = build(name, max(32, ARCHITECTURES[name].smallest_side))
    side = classifier.preprocessing.image_size[0]
    pixels = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    for format in ("onnx", "saved_model"):
        lacks = pytest.raises(ValidationError, match="No Op registered for StatefulPartitionedCall")
        with lacks if (format, name) == ("onnx", "convnext_tiny") else nullcontext():
            exported = export_checked(format, classifier, tmp_path / format, calibration=None, pixels=pixels)
            assert exported.parity is not None and exported.parity.ok


def test_h5_lacks_bare_operations_and_says_so(tmp_path: Path) -> None:
    inputs = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs / 255)))
    classifier = ImageClassifier(KerasRuntime(model), Preprocessing(image_size=(SIDE, SIDE)), ("a", "b", "c"))
    with pytest.raises(ValueError, match="Unknown layer: 'TrueDivide'"):
        export("h5", classifier, tmp_path / "h5")
    assert files_of(tmp_path) == set()


def test_a_format_that_answers_otherwise_is_not_kept(
    original: ImageClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = build("residual", SIDE, filters=8, stages=1).runtime
    monkeypatch.setitem(FORMATS, "keras", replace(FORMATS["keras"], open=lambda folder: other))
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "earlier").write_text("export")
    with pytest.raises(
        BundleError, match=r"keras was not kept: the largest .* at most 0\.001 is allowed in float32"
    ):
        export("keras", original, tmp_path / "keras")
    assert files_of(tmp_path) == {"keras", "keras/earlier"}


def test_a_converter_that_fails_leaves_nothing(
    original: ImageClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(classifier: ImageClassifier, folder: Path, calibration: object) -> Path:
        (folder / "half").write_text("written")
        raise RuntimeError("no such operation")

    monkeypatch.setitem(FORMATS, "keras", replace(FORMATS["keras"], export=fail))
    with pytest.raises(RuntimeError, match="no such operation"):
        export("keras", original, tmp_path / "keras")
    assert files_of(tmp_path) == set()


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if row.precision == "int8"])
def test_int8_needs_calibration_images(name: str, original: ImageClassifier, tmp_path: Path) -> None:
    with pytest.raises(ExportSkipped, match=f"{name} needs .* --calibration"):
        export_checked(name, original, tmp_path / name, calibration=None, pixels=IMAGES)
    assert files_of(tmp_path) == set()


def test_tensorrt_says_what_it_needs(
    original: ImageClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExportSkipped, match="NVIDIA GPU with TensorRT: trtexec was not found"):
        export("tensorrt", original, tmp_path / "tensorrt")


def install_trtexec(folder: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """A program of that name that writes its arguments, and the model's first bytes, as the plan."""
    script = f"""#!{os.sys.executable}
import sys
given = dict(one.removeprefix("--").partition("=")[::2] for one in sys.argv[1:])
model = open(given["onnx"], "rb").read()
open(given["saveEngine"], "w").write(" ".join(sys.argv[1:]))
{ending}
"""
    folder.mkdir()
    (folder / "trtexec").write_text(script)
    (folder / "trtexec").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_tensorrt_is_given_the_onnx_model_and_its_batches(
    original: ImageClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_trtexec(tmp_path / "bin", monkeypatch, ending="")
    exported = export("tensorrt", original, tmp_path / "tensorrt")
    assert exported.path == tmp_path / "tensorrt" / "model.plan"
    assert "--minShapes=images:1x16x16x3 --optShapes=images:1x16x16x3 --maxShapes=images:32x16x16x3" in (
        exported.path.read_text()
    )
    assert exported.parity is None


def test_tensorrt_fails_with_the_last_word_of_trtexec(
    original: ImageClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_trtexec(tmp_path / "bin", monkeypatch, ending='print("[E] first"); sys.exit("[E] no GPU")')
    with pytest.raises(RuntimeError, match=r"trtexec failed with status 1: \[E\] no GPU"):
        export("tensorrt", original, tmp_path / "tensorrt")
    assert files_of(tmp_path) == {"bin", "bin/trtexec"}


def test_keras_writes_no_warning_for_the_format_that_was_asked_for(
    original: ImageClassifier, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export("h5", original, tmp_path / "h5")
    assert "HDF5" not in capfd.readouterr().err


def seal_bundle(folder: Path, network: ImageClassifier | None) -> Path:
    """A bundle as registration writes it: a converted model and, in a folder of its own, the Keras one."""
    with atomic_folder(folder) as temporary:
        files = fake_classifier.make_classifier().write_files(temporary)
        if network is not None:
            network.save(temporary / NETWORK)
        seal(temporary, files)
    return folder


def test_the_original_is_that_of_the_bundle(original: ImageClassifier, tmp_path: Path) -> None:
    bundle = seal_bundle(tmp_path / "bundle", original)
    original.save(tmp_path / "keras")
    for folder in (bundle, tmp_path / "keras"):
        found = keras_original(folder)
        assert found.runtime.name == "keras"
        assert (found.class_names, found.temperature) == (original.class_names, 1.5)
        assert np.array_equal(found.predict(IMAGES), original.predict(IMAGES))


def test_a_bundle_of_before_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no Keras model.*registered before.*train again"):
        keras_original(seal_bundle(tmp_path / "bundle", None))


def test_an_altered_original_is_not_loaded(original: ImageClassifier, tmp_path: Path) -> None:
    bundle = seal_bundle(tmp_path / "bundle", original)
    with (bundle / NETWORK / "model.keras").open("ab") as file:
        file.write(b"more")
    with pytest.raises(BundleError, match="altered"):
        keras_original(bundle)


def write_pictures(folder: Path, shades: range) -> Path:
    for shade in shades:
        (folder / str(shade % 2)).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 7), (shade, 0, 0)).save(folder / str(shade % 2) / f"{shade:03}.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_calibration_images_are_spread_over_the_classes(tmp_path: Path) -> None:
    pixels = read_calibration(write_pictures(tmp_path, range(10)), Preprocessing(image_size=(4, 4)))
    assert pixels.shape == (10, 4, 4, 3) and pixels.dtype == np.uint8
    assert pixels[:, 0, 0, 0].tolist() == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]


@pytest.mark.parametrize("images", [0, 1])
def test_calibration_needs_two_images(images: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{images} image\(s\) below .*--calibration"):
        read_calibration(write_pictures(tmp_path, range(images)), Preprocessing())


def test_calibration_names_the_image_that_it_cannot_read(tmp_path: Path) -> None:
    (write_pictures(tmp_path, range(3)) / "1" / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1/broken\.png"):
        read_calibration(tmp_path, Preprocessing())


def test_parity_is_judged_on_the_golden_images_and_noise(tmp_path: Path) -> None:
    classifier = fake_classifier.make_classifier()
    hostile = parity_images(tmp_path, classifier.preprocessing)
    assert hostile.shape == (len(hostile_images()) + NOISE_IMAGES, 8, 8, 3) and hostile.dtype == np.uint8
    write_golden(classifier, fake_classifier.make_samples(), tmp_path)
    golden = parity_images(tmp_path, classifier.preprocessing)
    assert len(golden) == len(hostile) + 1
    assert np.array_equal(golden[-NOISE_IMAGES:], hostile[-NOISE_IMAGES:])

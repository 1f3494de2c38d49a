"""`sightline export`: a line or a row a format; what fails is named, and the others go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest
from PIL import Image

from cli.main import run
from registry.pointer import ChampionPointer, bundle_path, write_pointer
from registry.versions import register_version
from registry.workspace import Workspace
from tests.registry import fake_classifier
from vision.classifier import ImageClassifier
from vision.exporting.formats import FORMATS
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_runtime import KerasRuntime

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Keras classifier, saved: of the mean colour."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    logits = keras.layers.Dense(3)(
        keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(inputs))
    )
    folder = tmp_path_factory.mktemp("saved") / "bundle"
    preprocessing = Preprocessing(image_size=(8, 8))
    classifier = ImageClassifier(KerasRuntime(keras.Model(inputs, logits)), preprocessing, ("a", "b", "c"))
    classifier.save(folder)
    return folder


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a format fail with an error of two lines."""

    def fail(*_: object) -> Path:
        raise RuntimeError("no such operation: Frobnicate\nlong trace")

    return lambda name: monkeypatch.setitem(FORMATS, name, replace(FORMATS[name], export=fail))


def rows(arguments: list[str], capture: Capture, status: int = 0) -> dict[str, dict[str, Any]]:
    assert run(["export", *arguments, "--json"]) == status
    document = json.loads(capture.readouterr().out)
    return {row["format"]: row for row in document["exports"]}


def test_export_writes_formats_and_says_how_equal_they_are(
    bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    output = tmp_path / "exports"
    made = rows([str(bundle), "--format", "onnx", "--format", "keras", "--output", str(output)], capsys)
    assert list(made) == ["keras", "onnx"]
    assert made["onnx"]["path"] == str(output / "onnx" / "model.onnx")
    assert Path(made["onnx"]["path"]).stat().st_size == made["onnx"]["size_bytes"]
    assert made["onnx"]["parity"]["largest_difference"] <= made["onnx"]["parity"]["tolerance"] == 1e-3
    assert sorted(path.name for path in output.iterdir()) == ["keras", "onnx"]


def test_export_prints_a_line_a_format(bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["export", str(bundle), "--format", "keras", "--output", str(tmp_path)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("keras")
    assert str(tmp_path / "keras" / "model.keras") in line
    assert "largest difference of probabilities 0 (allowed: 0.001), same answer on 100.0% of images" in line


def test_a_format_that_fails_is_named_and_the_others_go_on(
    bundle: Path, tmp_path: Path, capsys: Capture, failing: Callable[[str], None]
) -> None:
    failing("keras")
    arguments = [str(bundle), "--format", "keras", "--format", "h5", "--output", str(tmp_path)]
    made = rows(arguments, capsys, status=1)
    assert made["keras"] == {
        "format": "keras",
        "status": "failed",
        "reason": "no such operation: Frobnicate",
    }
    assert made["h5"]["status"] == "written"
    assert [path.name for path in tmp_path.iterdir()] == ["h5"]


def test_failures_are_one_line_at_the_end(
    bundle: Path, tmp_path: Path, capsys: Capture, failing: Callable[[str], None]
) -> None:
    failing("keras")
    assert run(["export", str(bundle), "--format", "keras", "--output", str(tmp_path)]) == 1
    assert "1 of 1 formats failed: keras" in capsys.readouterr().err.splitlines()[-1]


def test_all_passes_over_what_is_not_here(
    bundle: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in set(FORMATS) - {"keras", "litert_int8", "tensorrt"}:
        monkeypatch.delitem(FORMATS, name)
    monkeypatch.setenv("PATH", str(tmp_path))
    made = rows([str(bundle), "--format", "all", "--output", str(tmp_path / "exports")], capsys)
    assert {name: row["status"] for name, row in made.items()} == {
        "keras": "written",
        "litert_int8": "skipped",
        "tensorrt": "skipped",
    }
    assert "--calibration" in made["litert_int8"]["reason"]
    assert "trtexec was not found" in made["tensorrt"]["reason"]


def test_what_was_asked_for_by_name_is_not_passed_over(bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = [str(bundle), "--format", "litert_int8", "--output", str(tmp_path)]
    assert rows(arguments, capsys, status=1)["litert_int8"]["status"] == "failed"


def test_int8_is_calibrated_by_the_folder(bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    for shade in range(0, 256, 16):
        Image.new("RGB", (9, 7), (shade, 255 - shade, 128)).save(tmp_path / f"{shade}.png")
    arguments = ["--format", "litert_int8", "--output", str(tmp_path / "exports")]
    made = rows([str(bundle), *arguments, "--calibration", str(tmp_path)], capsys)
    assert made["litert_int8"]["parity"]["same_answer"] > 0.5


@pytest.fixture
def registered(bundle: Path, workspace: Workspace) -> Workspace:
    """Versions 1 and 2 of "colours", which Keras itself runs; the second is champion."""
    for version in (1, 2):
        lineage = fake_classifier.make_lineage(f"classifier-{version}")
        made = register_version(
            workspace,
            "colours",
            ImageClassifier.load(bundle),
            samples=fake_classifier.make_samples(),
            lineage=lineage,
            metrics=fake_classifier.METRICS,
        )
        write_pointer(workspace, ChampionPointer("colours", version, made.digest))
    return workspace


@pytest.mark.parametrize(("name", "version"), [("colours", 2), ("colours:1", 1)])
def test_a_registered_version_has_a_name(
    registered: Workspace, name: str, version: int, tmp_path: Path, capsys: Capture
) -> None:
    assert run(["export", name, "--format", "keras", "--output", str(tmp_path / "x"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bundle"] == str(bundle_path(registered, "colours", version))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["colours:3", "--format", "keras"], 'no version 3 of "colours"'),
        (["shapes", "--format", "keras"], '"shapes" has no champion'),
        (["no/folder", "--format", "keras"], "no bundle at no/folder"),
        (["colours", "--format", "caffe"], 'unknown format "caffe": choose one of all, h5'),
    ],
)
def test_mistakes_are_one_line(
    registered: Workspace, arguments: list[str], said: str, capsys: Capture
) -> None:
    assert run(["export", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_bundle_without_the_original_says_what_to_do(
    registered: Workspace, tmp_path: Path, capsys: Capture
) -> None:
    fake_classifier.make_classifier().save(tmp_path / "old")
    assert run(["export", str(tmp_path / "old"), "--format", "keras"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "registered before" in line and "train again" in line

"""The Go back end's own tests, with the golden and the real hostile images as Python answers them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from serving.bento.packing import copy_code
from tests.infra.go_back_end import GO, TOLERANCE, build, make_export, opened
from vision.classifier import ImageClassifier
from vision.errors import ImageError
from vision.golden import hostile_images

REAL = Path("../shared/data")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "saved_model"
    make_export(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(export: Path) -> ImageClassifier:
    return opened(export)


def test_go_is_not_packed_into_a_bento(tmp_path: Path) -> None:
    copy_code(tmp_path)

    assert (tmp_path / "serving" / "service.py").is_file()
    assert not list(tmp_path.rglob("*.go")) and not (tmp_path / GO).exists()


def _images() -> dict[str, bytes]:
    real = [path for name in ("hostile-images", "exif-orientation") for path in (REAL / name).glob("*.*")]
    return hostile_images() | {path.name: path.read_bytes() for path in real}


def _expected(classifier: ImageClassifier, data: bytes) -> list[float] | None:
    try:
        return classifier.classify(data).tolist()
    except ImageError:
        return None


@pytest.mark.slow
def test_go_code_is_formatted_and_vetted() -> None:
    vetted = build("vet")
    unformatted = subprocess.run(["gofmt", "-l", GO], capture_output=True, text=True, check=True)

    assert (unformatted.stdout, vetted.returncode) == ("", 0), vetted.stderr


@pytest.mark.slow
def test_go_golden_images_turned_would_be_seen(classifier) -> None:
    golden = hostile_images()
    upright, turned = (classifier.classify(golden[f"exif_{number}.jpg"]) for number in (1, 6))

    assert np.abs(upright - turned).max() > 10 * TOLERANCE


@pytest.mark.slow
def test_go_tests_pass_and_find_no_difference_from_python(export, classifier, tmp_path) -> None:
    images = _images()
    for name, data in images.items():
        (tmp_path / name).write_bytes(data)
    expected = {name: _expected(classifier, data) for name, data in images.items()}
    (tmp_path / "expected.json").write_text(json.dumps(expected))

    done = build("test", "-count=1", "-v", SIGHTLINE_BUNDLE=export, SIGHTLINE_GOLDEN=tmp_path)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "--- PASS: TestRunIsEqualToPythonOrRefused" in done.stdout and "--- SKIP" not in done.stdout

"""`sightline init`: from a folder or a table to a YAML that loads."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.init import path_for
from cli.main import run
from vision.config_file import load_config

DATA = (Path(__file__).parents[3] / "shared" / "data").resolve()
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "workspace"))
    monkeypatch.delenv("SIGHTLINE_WEIGHTS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return folder


def draw(path: Path, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 10, 10)).save(path)


@pytest.fixture
def photos(here: Path) -> Path:
    """Six roses and nine tulips, one of them no image."""
    for label, count in (("rose", 6), ("tulip", 9)):
        for number in range(count):
            draw(here / "My Photos" / label / f"{number}.png")
    (here / "My Photos" / "tulip" / "8.png").write_text("hello")
    return here / "My Photos"


@pytest.fixture
def table(here: Path) -> Path:
    """Twelve images with one or two labels each."""
    rows = [f"{number}.png,{'cat|dog' if number % 3 else 'dog'}" for number in range(12)]
    for number in range(12):
        draw(here / "pets" / f"{number}.png")
    path = here / "pets" / "labels.csv"
    path.write_text("\n".join(["path,label", *rows]))
    return path


def answer(arguments: Sequence[str], capture: Capture) -> dict[str, Any]:
    assert run(["init", *arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capture.readouterr().out)
    return document


def refusal(arguments: Sequence[str], capture: Capture) -> str:
    """The one line that says what is wrong; nothing was written."""
    before = {path: path.read_bytes() for path in Path("configs").glob("*")}
    assert run(["init", *arguments]) == 1
    captured = capture.readouterr()
    (line,) = captured.err.splitlines()
    assert captured.out == ""
    assert {path: path.read_bytes() for path in Path("configs").glob("*")} == before
    return line


def test_class_folders_become_a_configuration(photos: Path, capsys: Capture) -> None:
    document = answer(["My Photos"], capsys)

    config = load_config(Path(document["config"]))
    assert (config.name, config.data.source, config.data.path) == ("my-photos", "class_folders", "My Photos")
    assert config.prepare.image_size == (30, 30)
    assert document["images_of_class"] == {"tulip": 9, "rose": 6}
    assert list(document["unreadable"]) == ["tulip/8.png"]
    assert document["next"] == "make train CONFIG=configs/my-photos.yaml"


def test_table_becomes_a_multi_label_configuration(table: Path, capsys: Capture) -> None:
    document = answer(["pets/labels.csv"], capsys)

    config = load_config(Path(document["config"]))
    assert (document["config"], document["is_multi_label"]) == ("configs/pets.yaml", True)
    assert (config.data.source, config.data.path, config.data.task) == (
        "table",
        "pets/labels.csv",
        "multi_label",
    )
    assert document["images_of_class"] == {"dog": 12, "cat": 8}


def test_people_are_told_what_was_found_and_what_comes_next(photos: Path, capsys: Capture) -> None:
    assert run(["init", str(photos)]) == 0

    out = capsys.readouterr().out
    expected = (
        "multi-class",
        "2: tulip 9, rose 6",
        "largest to smallest 1.5 to 1",
        "30 pixels",
        "1 of 15 looked at, such as tulip/8.png",
        "make train CONFIG=configs/my-photos.yaml",
        "make serve SIGHTLINE_MODEL=my-photos",
    )
    for words in expected:
        assert words in out


@pytest.fixture
def large_photos(here: Path) -> Path:
    """Ten roses and ten tulips, of a size that ImageNet's weights are for."""
    for number in range(20):
        draw(here / "garden" / ("rose", "tulip")[number % 2] / f"{number}.png", (200, 150))
    return here / "garden"


WEIGHTS = "mobilenetv2_1.0_224_imagenet_notop.weights.h5"


def test_named_weights_are_taken(large_photos: Path, here: Path, capsys: Capture) -> None:
    (here / WEIGHTS).touch()
    document = answer(["garden", "--weights", WEIGHTS], capsys)

    config = load_config(Path(document["config"]))
    assert (config.model.name, config.model.weights) == ("mobilenet_v2", WEIGHTS)
    assert (config.quality.weights, config.train.recipe) == (WEIGHTS, "fine_tune")
    assert (document["weights"], document["advice"]) == (WEIGHTS, "")


def test_weights_are_found_where_training_finds_them(
    large_photos: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("SIGHTLINE_WEIGHTS", str(here / "weights"))
    (here / "weights").mkdir()
    (here / "weights" / WEIGHTS).touch()
    assert answer(["garden"], capsys)["weights"] == f"weights/{WEIGHTS}"


def test_people_without_weights_are_told_where_to_put_them(large_photos: Path, capsys: Capture) -> None:
    assert run(["init", "garden"]) == 0
    out = capsys.readouterr().out
    for words in ("residual, from random weights", "SIGHTLINE_WEIGHTS", "--weights"):
        assert words in out


def test_existing_configuration_is_kept_unless_forced(photos: Path, capsys: Capture) -> None:
    answer(["My Photos"], capsys)
    target = Path("configs/my-photos.yaml")
    target.write_text("mine")

    assert "--force" in refusal(["My Photos"], capsys)
    answer(["My Photos", "--force"], capsys)
    assert load_config(target).name == "my-photos"


def test_model_of_another_file_is_not_taken(photos: Path, capsys: Capture) -> None:
    Path("zenml_config.yaml").write_text("parameters: {config: {name: my-photos}}")

    assert "zenml_config.yaml" in refusal(["My Photos"], capsys)
    assert answer(["My Photos", "--name", "flowers"], capsys)["config"] == "configs/flowers.yaml"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere"),
        (["empty"], "empty"),
        (["notes.txt"], "notes.txt"),
        (["empty.csv"], "empty.csv"),
        (["My Photos", "--name", "My Photos"], "--name"),
        (["My Photos", "--weights", "notes.txt"], "--weights"),
    ],
)
def test_mistake_is_one_line(
    arguments: list[str], words: str, here: Path, photos: Path, capsys: Capture
) -> None:
    (here / "empty").mkdir()
    (here / "notes.txt").write_text("roses")
    (here / "empty.csv").touch()

    assert words in refusal(arguments, capsys)


def test_folder_without_one_readable_image_is_refused(here: Path, capsys: Capture) -> None:
    for number in range(10):
        draw(here / "photos" / str(number % 2) / f"{number}.png")
        (here / "photos" / str(number % 2) / f"{number}.png").write_text("hello")

    assert "none of the 10 images" in refusal(["photos"], capsys)


def test_path_is_relative_where_it_is_near(here: Path) -> None:
    assert path_for(str(here / "photos")) == "photos"
    assert path_for("../shared/photos") == "../shared/photos"
    assert path_for("/elsewhere/photos") == "/elsewhere/photos"
    assert path_for("s3://bucket/photos") == "s3://bucket/photos"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "images", "classes", "is_multi_label"),
    [
        ("flowers", 4317, 5, False),
        ("grocery", 5421, 81, False),
        ("bccd/labels.csv", 364, 3, True),
    ],
)
def test_real_data_in_seconds(
    source: str, images: int, classes: int, is_multi_label: bool, capsys: Capture
) -> None:
    if not (DATA / source).exists():
        pytest.skip(f"the development data {source} is not beside the repository")
    start = time.perf_counter()
    document = answer([str(DATA / source)], capsys)

    assert time.perf_counter() - start < 10
    assert (document["images"], document["classes"]) == (images, classes)
    assert document["is_multi_label"] == is_multi_label
    assert document["unreadable"] == {}
    assert load_config(Path(document["config"])).data.path == str(DATA / source)

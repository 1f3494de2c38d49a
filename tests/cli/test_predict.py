"""`sightline predict`: what it prints, which model answers, and its mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cli.main import run
from registry.workspace import Workspace
from tests.serving.conftest import Registry
from tests.unit.batch.conftest import write_images

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's own: four photos, a run's YAML, a registry whose champion is version 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    registry = Registry(Workspace.from_environment(), model="things")
    registry.store(1)
    registry.promote(2)
    write_images(tmp_path / "photos", 4)
    write_yaml("output: answers")
    return tmp_path


def write_yaml(batch: str) -> None:
    Path("run.yaml").write_text(f"parameters: {{config: {{name: things, batch: {{{batch}}}}}}}\n")


def predict(capsys: Capture, *arguments: str, status: int = 0) -> dict[str, Any]:
    assert run(["predict", *arguments, "--config", "run.yaml", "--json"]) == status
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_predict_asks_the_champion_and_writes_where_the_yaml_says(home: Path, capsys: Capture) -> None:
    summary = predict(capsys, "photos")
    assert (summary["images"], summary["answered"]) == (4, 4)
    assert (summary["model"]["name"], summary["model"]["version"]) == ("things", 2)
    assert summary["output"] == str(home / "answers")
    assert set(pd.read_parquet("answers")["version"]) == {2}
    assert Path(summary["page"]).is_file()


def test_predict_takes_a_version_and_another_output(home: Path, capsys: Capture) -> None:
    summary = predict(capsys, "photos", "--model", "things:1", "--output", "first")
    assert summary["model"]["version"] == 1
    assert len(pd.read_parquet("first")) == 4


def test_predict_takes_the_version_of_the_yaml(home: Path, capsys: Capture) -> None:
    write_yaml("version: 1, paths: [photos]")
    assert predict(capsys)["model"]["version"] == 1


def test_predict_takes_a_folder_whose_model_has_no_version(home: Path, capsys: Capture) -> None:
    bundle = home / "home" / "registry" / "things" / "bundles" / "1"
    summary = predict(capsys, "photos/00000.png", "--model", str(bundle))
    assert (summary["model"]["name"], summary["model"]["version"]) == (str(bundle), None)
    assert pd.read_parquet("answers")["version"].isna().all()


def test_predict_prints_what_a_person_wants_to_know(home: Path, capsys: Capture) -> None:
    Path("photos/broken.png").write_bytes(b"no image")
    assert run(["predict", "photos", "--config", "run.yaml"]) == 0
    printed = capsys.readouterr().out
    assert "things version 2" in printed
    assert "5, 4 answered" in printed
    assert "1: 1 not a readable image" in printed
    assert str(home / "answers" / "_batch" / "summary.html") in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    (
        ((), "no images given"),
        (("none.png",), 'no image at "none.png"'),
        (("photos", "--engine", "spark"), "choose one of processes, ray"),
        (
            ("photos", "--processes", "0"),
            "--processes: Input should be greater than or equal to 1",
        ),
        (("photos", "--model", "nobody"), '"nobody" has no champion yet'),
        (("photos", "--model", "things:7"), 'no version 7 of "things"'),
        (("photos", "--output", "photos"), "holds other files"),
    ),
)
def test_predict_tells_a_mistake_in_one_line(
    home: Path, capsys: Capture, arguments: tuple[str, ...], words: str
) -> None:
    assert words in predict(capsys, *arguments, status=1)["error"]


def test_predict_refuses_a_bundle_that_was_altered(home: Path, capsys: Capture) -> None:
    bundle = home / "home" / "registry" / "things" / "bundles" / "2"
    with (bundle / "model.bin").open("ab") as file:
        file.write(b"more")
    assert "model.bin has sha256" in predict(capsys, "photos", status=1)["error"]

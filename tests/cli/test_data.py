"""`sightline data` and `sightline contract` on small sets with every fault that they are to find."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli.main import run

IMAGES_PER_CLASS = 12


def picture(label: str, seed: int) -> Image.Image:
    """A smooth picture of its own, reddish or bluish."""
    random = np.random.default_rng((label == "blue", seed))
    coarse = random.integers(0, 200, (6, 6, 3))
    coarse[:, :, 2 if label == "blue" else 0] += 55
    return Image.fromarray(coarse.astype(np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes with one unreadable file, one exact copy, one conflict and one near-duplicate.

    The commands are called from a folder of the user's own.
    """
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    images = tmp_path / "colours"
    for label in ("blue", "red"):
        (images / label).mkdir(parents=True)
        for number in range(IMAGES_PER_CLASS):
            picture(label, number).save(images / label / f"{number:02d}.png")
    (images / "red/broken.png").write_bytes(b"no image")
    shutil.copy(images / "red/00.png", images / "red/copy.png")
    shutil.copy(images / "red/01.png", images / "blue/conflict.png")
    picture("blue", 3).save(images / "blue/near.jpg", quality=70)
    return images


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict[str, Any]:
    assert run([*arguments, "--json"]) == status
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def paths(sets: list[dict[str, Any]]) -> list[list[str]]:
    return [sorted(one["paths"]) for one in sets]


def test_data_names_every_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "data", str(folder))
    assert found["images"] == 2 * IMAGES_PER_CLASS + 4
    assert [file["path"] for file in found["unreadable"]] == ["red/broken.png"]
    assert ["red/00.png", "red/copy.png"] in paths(found["exact_duplicates"])
    assert paths(found["near_duplicates"]) == [["blue/03.png", "blue/near.jpg"]]
    assert paths(found["label_conflicts"]) == [["blue/conflict.png", "red/01.png"]]
    assert {one["name"]: one["count"] for one in found["classes"]} == {"blue": 14, "red": 13}
    assert "red/00.png" in next(one["paths"] for one in found["classes"] if one["name"] == "red")


def test_data_lists_what_a_run_would_leave_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "data", str(folder))
    left_out = {file["path"] for file in found["quarantined"]}
    assert left_out == {"red/broken.png", "blue/conflict.png", "red/01.png"}
    assert found["stops_a_run"] == []


def test_data_writes_a_page_and_changes_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    page = tmp_path / "here.html"
    assert run(["data", str(folder), "--output", str(page)]) == 0
    assert str(page) in capsys.readouterr().out
    assert "red/broken.png" in page.read_text() and "<img" in page.read_text()
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before


def test_data_reads_a_table_of_several_labels(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{label}/{number:02d}.png,{label}|odd" if number % 2 else f"{label}/{number:02d}.png,{label}"
            for label in ("blue", "red") for number in range(IMAGES_PER_CLASS)]  # fmt: skip
    (folder / "labels.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    found = answer(capsys, "data", str(folder / "labels.csv"))
    assert found["task"] == "multi_label"
    assert {one["name"]: one["count"] for one in found["classes"]} == {"blue": 12, "odd": 12, "red": 12}


@pytest.mark.parametrize("arguments", (["data", "/nowhere"], ["contract", "check", "/nowhere"]))
def test_a_wrong_folder_is_one_line(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 1
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1 and "/nowhere" in output.err


def test_an_inferred_contract_holds_on_its_own_set_and_not_on_a_dark_one(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "red/broken.png").unlink()
    config = tmp_path / "run.yaml"
    settings = (
        f"name: colours, data: {{source: class_folders, path: {folder}}}, prepare: {{image_size: [96, 96]}}"
    )
    config.write_text(f"parameters: {{config: {{{settings}}}}}\n")
    place = ("--config", str(config), "--output", str(tmp_path / "contracts"))
    files = answer(capsys, "contract", "infer", *place)
    contracts = f"contracts: {{manifest: {files['manifest']}, images: {files['images']}}}"
    config.write_text(f"parameters: {{config: {{{settings}, {contracts}}}}}\n")
    own = answer(capsys, "contract", "check", "--config", str(config))
    dark = tmp_path / "dark"
    shutil.copytree(folder, dark)
    for file in dark.rglob("*.png"):
        Image.open(file).point(lambda value: value // 20).save(file)
    other = answer(capsys, "contract", "check", str(dark), "--config", str(config))
    assert not [breach for breach in own["breaches"] if breach["contract"] != "quality"]
    assert [breach for breach in other["breaches"] if "brightness" in breach["message"]]


def test_a_contract_that_may_have_been_reviewed_is_kept(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["contract", "infer", str(folder), "--output", str(tmp_path / "contracts")]
    assert run(arguments) == 0
    capsys.readouterr()
    assert run(arguments) == 1
    assert "exists" in capsys.readouterr().err
    assert run([*arguments, "--overwrite"]) == 0

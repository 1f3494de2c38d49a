"""`sightline trace`: one document or two columns; what is no id, or unknown, is one line."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pandas as pd
import pytest

from cli.main import run
from registry.bundles import store_bundle
from registry.data_revisions import keep_manifest, revision_path
from registry.pointer import ChampionPointer, bundle_path
from registry.workspace import Workspace
from tests.registry import fake_classifier as fake
from tests.registry.log_rows import NOON, make_answered, make_feedback, make_id, make_prediction, write
from vision.manifest import Manifest

Capture = pytest.CaptureFixture[str]
ID = make_id(NOON)
CONTENT = {"label": ["a", "b", "a"], "split": ["train", "train", "test"], "sha256": ["1", "2", "3"]}
MANIFEST = Manifest("/photos", pd.DataFrame(CONTENT))


@pytest.fixture
def home(tmp_path, fake_runtime: None, monkeypatch) -> Workspace:
    """An answer and feedback on it, of a version that has a bundle but is in no database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    workspace = Workspace(tmp_path.resolve())
    lineage = replace(fake.make_lineage("f" * 64), data_revision=MANIFEST.revision)
    parts = {"samples": fake.make_samples(), "description": {"lineage": asdict(lineage)}}
    digest = store_bundle(workspace, "grocery", 3, fake.make_classifier(), **parts)
    keep_manifest(workspace, "grocery", MANIFEST)
    row = make_prediction(answered=make_answered(pointer=ChampionPointer("grocery", 3, digest)))
    write(workspace, row, make_feedback(NOON, ["Milch"], of=row, comment="look"))
    return workspace


def test_it_shows_the_whole_walk(home, capsys: Capture) -> None:
    assert run(["trace", ID]) == 0

    text = capsys.readouterr().out
    for words in (
        "Käse with 0.7000, 2026-11-05 12:00:00+00:00",
        "wrong: Milch (look)",
        "grocery version 3, as champion",
        f"{bundle_path(home, 'grocery', 3)}\n",
        "abc123",
        f"revision {MANIFEST.revision}",
        str(revision_path(home, "grocery", MANIFEST.revision)),
        "1 a, 1 b",
        "never as champion, by the ledger",
        "the version names no run of MLflow",
    ):
        assert words in text, words


def test_json_has_all_of_it(home, capsys: Capture) -> None:
    assert run(["trace", ID, "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["answer"]["id"] == ID
    assert document["answer"]["feedback"] == {"labels": ["Milch"], "comment": "look", "right": False}
    assert document["bundle"] == str(bundle_path(home, "grocery", 3))
    assert (document["bundle_holds"], document["lineage"]["config_digest"]) == (True, "c" * 64)
    assert document["learned_from"]["images"] == {"train": {"a": 1, "b": 1}, "test": {"a": 1}}
    assert len(document["missing"]) == 1


def test_an_altered_bundle_is_told_beside_its_path(home, capsys: Capture) -> None:
    (bundle_path(home, "grocery", 3) / "fake.json").write_text("{}")

    assert run(["trace", ID]) == 0

    assert f"{bundle_path(home, 'grocery', 3)} (not as it answered)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("prediction_id", "words"),
    [
        ("last", '"last" is no prediction id: 32 of 0-9 and a-f'),
        ("0" * 32, "no prediction 000"),
        ("", "32 of"),
    ],
)
def test_a_wrong_id_is_one_line(home, capsys: Capture, prediction_id, words) -> None:
    assert run(["trace", prediction_id]) == 1

    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert words in captured.err

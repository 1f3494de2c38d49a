"""From an answer's id to what its model learned from; a link that is gone is said, and the rest is found."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from registry import champion
from registry.bundles import store_bundle
from registry.data_revisions import keep_manifest, revision_path
from registry.model_version import Lineage
from registry.pointer import ChampionPointer, bundle_path
from registry.prediction_files import predictions_folder
from registry.trace import Trace, trace
from registry.versions import get_version, register_version
from registry.workspace import Workspace
from tests.registry import fake_classifier as fake
from tests.registry.conftest import MODEL
from tests.registry.log_rows import NOON, make_answered, make_feedback, make_id, make_prediction, write
from vision.bundle import DESCRIPTION
from vision.errors import RegistryError
from vision.manifest import Manifest
from vision.runtimes import RUNTIMES

CONFIG = json.dumps({"name": MODEL, "seed": 7}, sort_keys=True)
MANIFEST = Manifest(
    "/photos",
    pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(5)],
            "label": ["red", "blue", "red", "red", "blue"],
            "split": ["train", "train", "train", "test", "validation"],
            "sha256": [f"{number}" * 64 for number in range(5)],
        }
    ),
)


def make_lineage(run_id: str | None) -> Lineage:
    return Lineage(
        data_revision=MANIFEST.revision,
        config_digest=hashlib.sha256(CONFIG.encode()).hexdigest(),
        git_commit="abc123",
        classifier_digest="f" * 64,
        run_id=run_id,
    )


def log_answer(workspace: Workspace, pointer: ChampionPointer, *, right: str | None = None) -> str:
    """The id of an answer "red" of that version at NOON."""
    answered = make_answered(pointer=pointer, class_names=("red", "green", "blue"), names=("red",))
    row = make_prediction(answered=answered, probabilities=np.array([0.75, 0.125, 0.125], np.float32))
    said = [make_feedback(NOON + 9, [right], of=row, comment="it is")] if right else []
    write(workspace, row, make_prediction(NOON + 1, 1, answered=answered), *said)
    return row.id


def run_of(workspace: Workspace) -> str:
    """A run as the pipeline leaves it: with its configuration."""
    client = MlflowClient(workspace.database)
    experiment = client.create_experiment(MODEL, (workspace.mlflow_artifacts / MODEL).as_uri())
    run = client.create_run(experiment).info.run_id
    client.log_text(run, CONFIG, "config.json")
    return str(run)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Workspace]:
    """Version 1 was champion, then 2, then 1 again; nothing is missing. No test changes it."""
    workspace = Workspace(tmp_path_factory.mktemp("trace") / "workspace")
    workspace.root.mkdir()
    shutil.copy(empty_database, workspace.root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setitem(RUNTIMES, fake.NAME, fake.load)
        lineage = make_lineage(run_of(workspace))
        for scale in (0.01, 0.02):
            of_this = replace(lineage, classifier_digest=f"classifier-{scale}")
            classifier, samples = fake.make_classifier(scale), fake.make_samples()
            parts = {"samples": samples, "lineage": of_this, "metrics": fake.METRICS}
            register_version(workspace, MODEL, classifier, **parts)
        keep_manifest(workspace, MODEL, MANIFEST)
        champion.promote(workspace, MODEL, 1, who="a", why="first")
        champion.promote(workspace, MODEL, 2, who="b", why="better")
        champion.rollback(workspace, MODEL, who="c", why="worse")
        log_answer(workspace, champion.champion(workspace, MODEL), right="blue")
        yield workspace


@pytest.fixture
def damaged(whole: Workspace, tmp_path: Path) -> Workspace:
    """A copy to be damaged; artifacts of MLflow's runs stay where they are."""
    return Workspace(shutil.copytree(whole.root, tmp_path / "workspace"))


def test_every_link_is_found(whole) -> None:
    moves = champion.history(whole, MODEL)

    found = trace(whole, make_id(NOON))

    assert found.missing == ()
    assert (found.bundle, found.bundle_holds) == (bundle_path(whole, MODEL, 1), True)
    assert found.lineage == get_version(whole, MODEL, 1).lineage
    assert found.config == {"name": MODEL, "seed": 7}
    assert [(reign.since, reign.until, reign.who, reign.why) for reign in found.reigns] == [
        (moves[0].when, moves[1].when, "a", "first"),
        (moves[2].when, None, "c", "worse"),
    ]


def test_the_answer_and_what_was_said_of_it(whole) -> None:
    answer = trace(whole, make_id(NOON)).answer

    assert (answer.pointer.model, answer.pointer.version, answer.arm) == (MODEL, 1, "champion")
    assert (answer.names, answer.confidence) == (("red",), 0.75)
    assert answer.time.isoformat() == "2026-11-05T12:00:00+00:00"
    assert (answer.feedback.labels, answer.feedback.right) == (("blue",), False)
    assert answer.feedback.comment == "it is"
    assert trace(whole, make_id(NOON + 1, 1)).answer.feedback is None


def test_the_images_that_it_learned_from_are_counted(whole) -> None:
    learned = trace(whole, make_id(NOON)).learned_from

    assert learned.images == {"train": {"blue": 1, "red": 2}, "test": {"red": 1}, "validation": {"blue": 1}}
    assert (learned.revision, learned.root) == (MANIFEST.revision, "/photos")
    assert learned.manifest == revision_path(whole, MODEL, MANIFEST.revision)


def missing(workspace: Workspace) -> tuple[Trace, str]:
    found = trace(workspace, make_id(NOON))
    return found, "; ".join(found.missing)


def test_an_altered_bundle_is_named_and_the_registry_asked_instead(damaged, whole) -> None:
    (bundle_path(damaged, MODEL, 1) / "fake.json").write_text('{"scale": 9}')

    found, words = missing(damaged)

    assert not found.bundle_holds
    assert "fake.json has sha256" in words
    assert (found.lineage, len(found.missing)) == (trace(whole, make_id(NOON)).lineage, 1)


def test_another_bundle_in_its_place_is_named(damaged) -> None:
    place = bundle_path(damaged, MODEL, 1)
    shutil.rmtree(place)
    bundle_path(damaged, MODEL, 2).rename(place)

    found, words = missing(damaged)

    assert not found.bundle_holds
    assert "is not the one that answered: its digest differs" in words
    assert found.lineage.classifier_digest == "classifier-0.01"


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no" * 5000)])
def test_without_the_database_the_bundle_tells_its_lineage(damaged, damage) -> None:
    damage(damaged.root / "mlflow.db")

    found, words = missing(damaged)

    assert found.bundle_holds
    assert found.lineage.git_commit == "abc123"
    assert found.learned_from.images["train"] == {"blue": 1, "red": 2}
    assert (found.config, found.reigns) == (None, ())
    assert "mlflow.db" in words


def test_a_config_that_is_not_the_versions_is_not_shown(damaged) -> None:
    other = {"lineage": asdict(replace(make_lineage(run_id_of(damaged)), config_digest="0" * 64))}
    digest = restore(damaged, 3, other)
    answer = log_answer_in(damaged, ChampionPointer(MODEL, 3, digest))

    found = trace(damaged, answer)

    assert found.config is None
    assert "is not the version's config: its digest is not 000" in found.missing[0]


def test_an_unknown_run_is_said(damaged) -> None:
    digest = restore(damaged, 3, {"lineage": asdict(make_lineage("0" * 32))})
    found = trace(damaged, log_answer_in(damaged, ChampionPointer(MODEL, 3, digest)))

    assert "config.json of MLflow's run 000" in found.missing[0]
    assert found.learned_from is not None


def run_id_of(workspace: Workspace) -> str | None:
    return get_version(workspace, MODEL, 1).lineage.run_id


def restore(workspace: Workspace, version: int, description: dict) -> str:
    """Digest of a bundle that tells of itself what the description does."""
    parts = {"samples": fake.make_samples(), "description": description}
    return store_bundle(workspace, MODEL, version, fake.make_classifier(), **parts)


def log_answer_in(workspace: Workspace, pointer: ChampionPointer) -> str:
    """The only answer of the log."""
    shutil.rmtree(predictions_folder(workspace), ignore_errors=True)
    return log_answer(workspace, pointer)


@pytest.fixture
def bare(tmp_path, fake_runtime, monkeypatch) -> Workspace:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Workspace(tmp_path)


def test_where_all_but_the_log_is_gone_that_is_said(bare) -> None:
    found = trace(bare, log_answer(bare, ChampionPointer(MODEL, 1, "d" * 64)))

    assert (found.answer.names, found.bundle_holds, found.lineage) == (("red",), False, None)
    assert (found.config, found.learned_from, found.reigns) == (None, None, ())
    assert "no bundle at" in found.missing[0]
    assert f'no version 1 of "{MODEL}"' in found.missing[1]
    assert not (bare.root / "mlflow.db").exists()


def test_a_version_without_a_run_and_a_manifest_says_both(bare) -> None:
    digest = restore(bare, 1, {"lineage": asdict(make_lineage(None))})

    found = trace(bare, log_answer(bare, ChampionPointer(MODEL, 1, digest)))

    assert found.bundle_holds
    run, manifest = found.missing
    assert "names no run of MLflow" in run
    assert f"{revision_path(bare, MODEL, MANIFEST.revision)} is missing" in manifest


@pytest.mark.parametrize("description", [{}, {"lineage": None}, {"lineage": {"seed": 1}}, {"lineage": "x"}])
def test_a_bundle_that_tells_no_lineage_leaves_it_to_the_registry(bare, description) -> None:
    digest = restore(bare, 1, description)

    found = trace(bare, log_answer(bare, ChampionPointer(MODEL, 1, digest)))

    assert (found.bundle_holds, found.lineage) == (True, None)


@pytest.mark.parametrize(
    "prediction_id",
    ["", "1", "x" * 32, "A" * 32, "0" * 31, "0" * 33, "../../etc/passwd", "0" * 31 + "\n", "٣" * 32],
)
def test_what_is_no_id_is_refused(bare, prediction_id) -> None:
    with pytest.raises(RegistryError, match="32 of 0-9 and a-f"):
        trace(bare, prediction_id)


@pytest.mark.parametrize("prediction_id", [make_id(NOON, 5), "0" * 32, "f" * 32])
def test_an_id_that_the_log_has_not_says_for_how_long_it_has_them(bare, prediction_id) -> None:
    log_answer(bare, ChampionPointer(MODEL, 1, "d" * 64))

    with pytest.raises(RegistryError, match=f"no prediction {prediction_id} is in the log .* after 30 s"):
        trace(bare, prediction_id)


def test_an_answer_whose_clock_was_set_in_between_is_unknown(bare) -> None:
    """Its file covers the id's moment, its row is an hour older."""
    answered = make_answered(pointer=ChampionPointer(MODEL, 1, "d" * 64))
    rows = [make_prediction(NOON - 3_600_000, id=make_id(NOON), answered=answered)]
    write(bare, *rows, make_prediction(NOON + 1, 1, answered=answered))

    with pytest.raises(RegistryError, match="no prediction"):
        trace(bare, make_id(NOON))


def test_bundle_json_is_part_of_what_must_hold(damaged) -> None:
    description = bundle_path(damaged, MODEL, 1) / DESCRIPTION
    description.write_text(description.read_text().replace("abc123", "abc124"))

    found, words = missing(damaged)

    assert (found.bundle_holds, found.lineage.git_commit) == (False, "abc123")
    assert "its digest differs" in words

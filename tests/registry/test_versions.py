"""Registration: idempotent, numbered by MLflow, and never half done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry import versions
from registry.bundles import load_bundle
from registry.pointer import bundle_path
from registry.versions import get_version, list_versions, register_version, tag_version
from registry.workspace import Workspace
from tests.registry import fake_classifier as fake
from tests.registry.conftest import MODEL, Register
from tests.registry.killed import run_killed
from vision.errors import UnknownVersion

REGISTER = (
    "from registry.versions import register_version\n"
    "register_version(workspace, 'colours', fake.make_classifier(0.03), samples=fake.make_samples(),"
    " lineage=fake.make_lineage('classifier-0.03'), metrics=fake.METRICS)"
)


def folders(workspace: Workspace) -> list[str]:
    """Everything in the model's folder but the lock."""
    base = workspace.registry / MODEL
    return sorted(str(path.relative_to(base)) for path in (*base.glob("bundles/*"), *base.glob("incoming/*")))


def test_registered_version_comes_back_whole(workspace: Workspace, tmp_path: Path) -> None:
    registered = register_version(
        workspace,
        MODEL,
        fake.make_classifier(),
        samples=fake.make_samples(),
        lineage=fake.make_lineage("c1"),
        metrics=fake.METRICS,
        report=tmp_path / "report.html",
    )

    assert registered == get_version(workspace, MODEL, 1)
    assert registered.lineage == fake.make_lineage("c1")
    assert registered.metrics == fake.METRICS
    assert registered.report == tmp_path / "report.html"
    assert registered.bundle == bundle_path(workspace, MODEL, 1)
    assert load_bundle(registered.bundle).class_names == ("red", "green", "blue")


def test_mlflow_row_names_the_bundle_and_the_run(workspace: Workspace) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(workspace.database, workspace.database)
    run = client.create_run("0").info.run_id
    lineage = fake.Lineage("d", "c", "g", "c1", parent=None, run_id=run)
    register_version(
        workspace, MODEL, fake.make_classifier(), samples={}, lineage=lineage, metrics=fake.METRICS
    )

    row = client.get_model_version(MODEL, "1")
    assert (row.run_id, row.source) == (run, bundle_path(workspace, MODEL, 1).as_uri())
    assert row.tags["sightline.git_commit"] == "g"


def test_same_classifier_is_registered_once(workspace: Workspace, register: Register) -> None:
    first = register(0.01)

    assert register(0.01) == first
    assert register(0.02).version == 2
    assert [version.version for version in list_versions(workspace, MODEL)] == [1, 2]
    assert folders(workspace) == ["bundles/1", "bundles/2"]


def test_classifier_whose_bundle_was_deleted_is_registered_anew(
    workspace: Workspace, register: Register
) -> None:
    shutil.rmtree(register(0.01).bundle)

    assert register(0.01).version == 2
    assert [version.version for version in list_versions(workspace, MODEL)] == [1, 2]


@pytest.mark.parametrize(
    ("at", "registered"),
    [
        ("registry.bundles:seal", []),  # in the temporary folder
        ("registry.bundles:load_bundle", []),
        ("registry.versions:_create_row", []),  # bundle written, MLflow's row not
        ("registry.versions:_put_in_place", [1]),  # row written, bundle not at its place
    ],
)
def test_killed_registration_is_all_or_nothing(
    workspace: Workspace, register: Register, at: str, registered: list[int]
) -> None:
    run_killed(REGISTER, at=at)

    assert [version.version for version in list_versions(workspace, MODEL)] == registered
    for version in list_versions(workspace, MODEL):
        load_bundle(version.bundle)
    assert register(0.03).version == 1
    assert folders(workspace) == ["bundles/1"]


def test_wrongly_foreseen_number_is_given_back(workspace: Workspace, register: Register) -> None:
    from mlflow import MlflowClient

    shutil.rmtree(register(0.01).bundle)
    MlflowClient(workspace.database, workspace.database).delete_model_version(MODEL, "1")

    assert register(0.02).version == 3  # 1 was foreseen, MLflow gave 2, which was given back
    assert [version.version for version in list_versions(workspace, MODEL)] == [3]


def test_bundles_of_a_lost_database_are_not_overwritten(
    workspace: Workspace, register: Register, empty_database: Path
) -> None:
    old = register(0.01)
    # MLflow keeps the old file open: the new database is another file.
    moved = Workspace(workspace.root.with_name("moved"))
    shutil.copytree(workspace.root, moved.root)
    shutil.copy(empty_database, moved.root / "mlflow.db")

    new = register_version(
        moved,
        MODEL,
        fake.make_classifier(0.02),
        samples={},
        lineage=fake.make_lineage("c2"),
        metrics={},
    )

    assert new.version == 2
    assert versions.bundle_digest(bundle_path(moved, MODEL, 1)) == old.digest


def test_unknown_version_names_those_that_exist(workspace: Workspace, register: Register) -> None:
    register(0.01)
    register(0.02)

    with pytest.raises(UnknownVersion, match=r"no version 7 .* registered are 1, 2"):
        get_version(workspace, MODEL, 7)


def test_question_makes_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    with pytest.raises(UnknownVersion, match="none is registered yet"):
        get_version(Workspace(tmp_path), MODEL, 1)

    assert list(tmp_path.iterdir()) == []


def test_rows_of_others_are_left_alone(workspace: Workspace, register: Register) -> None:
    from mlflow import MlflowClient

    register(0.01)
    MlflowClient(workspace.database, workspace.database).create_model_version(MODEL, "file:///elsewhere")

    assert [version.version for version in list_versions(workspace, MODEL)] == [1]
    assert register(0.02).version == 3


def test_bento_tag_is_remembered(workspace: Workspace, register: Register) -> None:
    register(0.01)

    tag_version(workspace, MODEL, 1, bento_tag="sightline:abc")

    assert get_version(workspace, MODEL, 1).bento_tag == "sightline:abc"

"""The champion moves whole, by one at a time, and everything follows the ledger."""

from __future__ import annotations

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry import champion as champions
from registry.bundles import load_bundle
from registry.champion import champion, history, promote, repair, rollback, withdrawal
from registry.pointer import pointer_path, read_pointer
from registry.versions import champion_alias, move_alias
from registry.workspace import Workspace
from tests.registry import fake_classifier as fake
from tests.registry.conftest import MODEL, Register
from tests.registry.killed import run_killed
from vision.errors import BundleError, NoChampion, PromotionConflict, RegistryError, UnknownVersion

BY = {"who": "ada@host", "why": "test"}


@pytest.fixture
def two_versions(register: Register) -> None:
    register(0.01)
    register(0.02)


def everywhere(workspace: Workspace) -> tuple[int, int, int | None]:
    """The champion by the ledger, by the pointer, by MLflow's alias."""
    pointer = read_pointer(workspace, MODEL)
    return champion(workspace, MODEL).version, pointer.version, champion_alias(workspace, MODEL)


def test_promotion_moves_ledger_pointer_and_alias(workspace: Workspace, register: Register) -> None:
    version = register(0.01)

    pointer = promote(workspace, MODEL, 1, **BY)

    assert pointer == read_pointer(workspace, MODEL) == champion(workspace, MODEL)
    assert pointer.digest == version.digest
    assert everywhere(workspace) == (1, 1, 1)
    (row,) = history(workspace, MODEL)
    assert (row.sequence, row.action, row.version, row.previous_version) == (1, "promote", 1, None)
    assert (row.who, row.why) == ("ada@host", "test")


def test_row_says_which_data_configuration_and_code_and_what_the_gate_said(
    workspace: Workspace, register: Register
) -> None:
    register(0.01)
    register(0.02)
    promote(workspace, MODEL, 1, **BY, gate='{"action": "promote"}')
    promote(workspace, MODEL, 2, **BY)

    first, second = history(workspace, MODEL)

    lineage = fake.make_lineage("")
    origin = (lineage.data_revision, lineage.config_digest, lineage.git_commit)
    assert (first.data_revision, first.config_digest, first.git_commit) == origin
    assert (first.gate, second.gate) == ('{"action": "promote"}', None)


def test_no_champion_says_how_to_make_one(workspace: Workspace) -> None:
    with pytest.raises(NoChampion, match="make train"):
        champion(workspace, MODEL)
    with pytest.raises(NoChampion, match="make train"):
        rollback(workspace, MODEL, **BY)


@pytest.mark.usefixtures("two_versions")
def test_champion_promoted_again_makes_no_row(workspace: Workspace) -> None:
    promote(workspace, MODEL, 2, **BY)

    assert promote(workspace, MODEL, 2, **BY, expected=None).version == 2
    assert len(history(workspace, MODEL)) == 1


@pytest.mark.usefixtures("two_versions")
def test_promotion_over_another_champion_than_expected_is_refused(workspace: Workspace) -> None:
    promote(workspace, MODEL, 1, **BY, expected=None)

    with pytest.raises(PromotionConflict, match="is version 1, expected was None"):
        promote(workspace, MODEL, 2, **BY, expected=None)

    assert promote(workspace, MODEL, 2, **BY, expected=1).version == 2


@pytest.mark.usefixtures("two_versions")
def test_unknown_version_names_those_that_exist(workspace: Workspace) -> None:
    with pytest.raises(UnknownVersion, match="registered are 1, 2"):
        promote(workspace, MODEL, 5, **BY)


def test_damaged_bundle_is_not_promoted(workspace: Workspace, register: Register) -> None:
    (register(0.01).bundle / "fake.json").write_text('{"scale": 1}')

    with pytest.raises(BundleError, match="sha256"):
        promote(workspace, MODEL, 1, **BY)

    assert history(workspace, MODEL) == ()


def test_bundle_that_was_exchanged_whole_is_not_promoted(workspace: Workspace, register: Register) -> None:
    first, second = register(0.01), register(0.02)
    shutil.rmtree(first.bundle)
    shutil.copytree(second.bundle, first.bundle)

    with pytest.raises(BundleError, match="not the bundle that was registered as version 1"):
        promote(workspace, MODEL, 1, **BY)


@pytest.mark.usefixtures("two_versions")
def test_rollback_returns_to_the_champion_before(workspace: Workspace) -> None:
    promote(workspace, MODEL, 1, **BY)
    promote(workspace, MODEL, 2, **BY)

    assert rollback(workspace, MODEL, **BY).version == 1
    assert everywhere(workspace) == (1, 1, 1)
    with pytest.raises(RegistryError, match="no champion before version 1"):
        rollback(workspace, MODEL, **BY)


@pytest.mark.usefixtures("two_versions")
def test_rollback_to_a_version_that_was_no_champion_is_refused(
    workspace: Workspace, register: Register
) -> None:
    register(0.03)
    promote(workspace, MODEL, 1, **BY)
    promote(workspace, MODEL, 3, **BY)

    with pytest.raises(RegistryError, match=r"earlier champions are 1; .*sightline promote 2"):
        rollback(workspace, MODEL, to=2, **BY)


@pytest.mark.usefixtures("two_versions")
def test_withdrawal_is_the_rollback_that_ended_a_reign(workspace: Workspace) -> None:
    promote(workspace, MODEL, 1, **BY)
    promote(workspace, MODEL, 2, **BY)
    assert withdrawal(workspace, MODEL, 1) is None  # a promotion ended it

    rollback(workspace, MODEL, who="ada@host", why="worse")

    row = withdrawal(workspace, MODEL, 2)
    assert row is not None
    assert row.why == "worse"


@pytest.mark.usefixtures("two_versions")
@pytest.mark.parametrize(
    "at",
    [
        "registry.ledger:advance_head",
        "registry.following:write_pointer",
        "registry.following:move_alias",
    ],
)
def test_promotion_killed_after_its_row_is_made_good(workspace: Workspace, at: str) -> None:
    promote(workspace, MODEL, 1, **BY)
    work = "from registry.champion import promote\npromote(workspace, 'colours', 2, who='ada', why='killed')"
    run_killed(work, at=at)

    mended = repair(workspace, MODEL)

    assert everywhere(workspace) == (2, 2, 2)
    assert mended
    assert [row.action for row in history(workspace, MODEL)] == ["promote", "promote", "repair"]
    assert repair(workspace, MODEL) == ()
    assert rollback(workspace, MODEL, **BY).version == 1


@pytest.mark.usefixtures("two_versions")
def test_promotion_killed_before_its_row_changes_nothing(workspace: Workspace) -> None:
    promote(workspace, MODEL, 1, **BY)
    work = "from registry.champion import promote\npromote(workspace, 'colours', 2, who='ada', why='killed')"
    run_killed(work, at="registry.ledger:next_entry")

    assert repair(workspace, MODEL) == ()
    assert everywhere(workspace) == (1, 1, 1)


@pytest.mark.usefixtures("two_versions")
def test_pointer_damaged_or_alias_moved_by_hand_is_repaired(workspace: Workspace) -> None:
    promote(workspace, MODEL, 1, **BY)
    pointer_path(workspace, MODEL).write_text("{")
    move_alias(workspace, MODEL, 2)

    mended = repair(workspace, MODEL)

    assert mended == (
        "pointer from nothing readable to version 1",
        "alias from version 2 to version 1",
    )
    assert everywhere(workspace) == (1, 1, 1)


@pytest.mark.usefixtures("two_versions")
def test_champion_deleted_in_mlflow_does_not_stop_the_next_promotion(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow import MlflowClient

    promote(workspace, MODEL, 1, **BY)
    MlflowClient(workspace.database, workspace.database).delete_model_version(MODEL, "1")

    promote(workspace, MODEL, 2, **BY)

    assert everywhere(workspace) == (2, 2, 2)
    assert "alias does not follow version 1" in caplog.text


@pytest.mark.usefixtures("two_versions")
def test_of_two_concurrent_promotions_one_wins(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    both_have_looked = threading.Barrier(2)

    def look_together(folder: object) -> None:
        load_bundle(folder)  # type: ignore[arg-type]
        both_have_looked.wait(timeout=30)

    monkeypatch.setattr(champions, "load_bundle", look_together)
    with ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(promote, workspace, MODEL, version, **BY) for version in (1, 2)]

    (loser,) = [error for error in (attempt.exception() for attempt in tries) if error]
    assert isinstance(loser, PromotionConflict)
    winner = next(attempt.result().version for attempt in tries if not attempt.exception())
    assert everywhere(workspace) == (winner, winner, winner)
    assert len(history(workspace, MODEL)) == 1


def test_database_that_is_none_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")

    with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI"):
        champion(workspace, MODEL)


def test_damaged_database_is_one_line(workspace: Workspace) -> None:
    (workspace.root / "mlflow.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(RegistryError, match="not a database"):
        champion(workspace, MODEL)


def test_pointer_file_is_what_the_service_expects(workspace: Workspace, register: Register) -> None:
    version = register(0.01)
    promote(workspace, MODEL, 1, **BY)

    content = json.loads(pointer_path(workspace, MODEL).read_text())
    assert content == {"model": MODEL, "version": 1, "digest": version.digest}

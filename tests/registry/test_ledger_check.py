"""Whatever a hand does to the ledger is found, and the row is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from registry import ledger
from registry.ledger import all_entries, row_hash
from registry.ledger_check import check_ledger, find_damage, refuse_damaged
from registry.ledger_head import head_path
from registry.new_ledger import begin_anew
from registry.pointer import ChampionPointer, write_pointer
from registry.workspace import Workspace
from tests.registry.ledger_rows import TIME, append_versions, bare, by_hand, make_move
from vision.errors import RegistryError

__all__ = ["bare"]

EDIT = "UPDATE sightline_ledger SET {} WHERE sequence = {}"
DELETE = "DELETE FROM sightline_ledger WHERE sequence {}"
COPY = """INSERT INTO sightline_ledger SELECT {}, model, 9, previous_version, digest, action, who, why,
 "when", previous_hash, hash, data_revision, config_digest, git_commit, gate
 FROM sightline_ledger WHERE sequence = {}"""


def found(workspace: Workspace) -> list[tuple[str, int, int]]:
    return [(each.kind, each.first, each.last) for each in check_ledger(workspace)]


@pytest.fixture
def five(bare: Workspace) -> Workspace:
    """A ledger of five rows."""
    append_versions(bare, 1, 2, 3, 4, 5)
    return bare


def test_ledger_as_it_was_written_has_no_damage(bare: Workspace) -> None:
    assert found(bare) == []
    append_versions(bare, 1, 2)
    append_versions(bare, 1, model="other")

    assert found(bare) == []


@pytest.mark.parametrize(
    ("statement", "damage"),
    [
        (EDIT.format("version = 9", 1), ("edited", 1, 1)),
        (EDIT.format("why = 'better'", 3), ("edited", 3, 3)),
        (EDIT.format("who = x'ff00'", 3), ("edited", 3, 3)),
        (EDIT.format("model = 'other'", 5), ("edited", 5, 5)),
        (EDIT.format("gate = '{}'", 4), ("edited", 4, 4)),
        (EDIT.format("hash = 'f'", 2), ("edited", 2, 2)),
        (EDIT.format("previous_hash = 'f'", 4), ("edited", 4, 4)),
        (DELETE.format("= 1"), ("deleted", 1, 1)),
        (DELETE.format("IN (2, 3)"), ("deleted", 2, 3)),
        (DELETE.format("= 5"), ("deleted", 5, 5)),
        (DELETE.format("> 0"), ("deleted", 1, 5)),
        ("DROP TABLE sightline_ledger", ("deleted", 1, 5)),
        (COPY.format(0, 1), ("edited", 0, 0)),
        (COPY.format(6, 5), ("edited", 6, 6)),
    ],
)
def test_one_thing_done_by_hand_is_named_once(
    five: Workspace, statement: str, damage: tuple[str, int, int]
) -> None:
    by_hand(five, statement)

    assert found(five) == [damage]


def test_several_things_are_named_in_order(five: Workspace) -> None:
    by_hand(five, DELETE.format("= 2"), EDIT.format("version = 9", 4), DELETE.format("= 5"))

    assert found(five) == [("deleted", 2, 2), ("edited", 4, 4), ("deleted", 5, 5)]


def rehash(workspace: Workspace, sequence: int) -> None:
    """What somebody does who knows how a row's hash is made."""
    row = next(row for row in all_entries(workspace) if row.sequence == sequence)
    by_hand(workspace, EDIT.format(f"hash = '{row_hash(row)}'", sequence))


@pytest.mark.parametrize("sequence", [1, 3, 5])  # the last by the file beside the registry
def test_row_edited_with_a_right_hash_is_found_by_its_neighbour(five: Workspace, sequence: int) -> None:
    by_hand(five, EDIT.format("version = 9", sequence))
    rehash(five, sequence)

    assert found(five) == [("replaced", sequence, sequence)]


def test_end_cut_off_and_written_anew_is_found(five: Workspace) -> None:
    rows = list(all_entries(five))
    by_hand(five, DELETE.format(">= 4"))
    head = head_path(five).read_text()
    for version in (8, 9):
        last = list(all_entries(five))[-1]
        ledger.append(five, make_move(version), after=last)
    head_path(five).write_text(head)  # their writer had another workspace

    assert rows[4] not in all_entries(five)
    assert found(five) == [("replaced", 5, 5)]


@pytest.mark.parametrize(
    ("place", "kind"), [({"sequence": 0}, "inserted"), ({"previous_hash": "f" * 64}, "replaced")]
)
def test_row_with_a_right_hash_in_no_place_of_a_first_row_is_found(
    place: dict[str, object], kind: str
) -> None:
    row = replace(ledger.next_entry(make_move(1), None), **place)
    forged = replace(row, hash=row_hash(row))

    assert [each.kind for each in find_damage([forged], None)] == [kind]


def test_row_that_another_workspace_added_is_no_damage(five: Workspace) -> None:
    head = head_path(five).read_text()
    ledger.append(five, make_move(6), after=list(all_entries(five))[-1])
    head_path(five).write_text(head)

    assert found(five) == []


def test_refusal_names_the_rows_and_the_way_on(five: Workspace) -> None:
    by_hand(five, EDIT.format("version = version + 1", "sequence"))

    with pytest.raises(RegistryError) as refusal:
        refuse_damaged(five)

    message = str(refusal.value)
    assert "row 1 was edited" in message
    assert "row 5 was edited" in message
    assert "backup" in message
    assert "sightline history --new-ledger" in message


def test_refusal_of_much_damage_is_short(bare: Workspace) -> None:
    append_versions(bare, *range(1, 9))
    by_hand(bare, EDIT.format("version = 99", "sequence"))

    with pytest.raises(RegistryError, match="and 3 more, see `sightline history --check`"):
        refuse_damaged(bare)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sequence": 1}'])
def test_damaged_head_is_named(five: Workspace, content: str) -> None:
    head_path(five).write_text(content)

    with pytest.raises(RegistryError, match=r"ledger_head\.json is damaged"):
        check_ledger(five)


@pytest.mark.parametrize(
    "statement", [EDIT.format("version = 9", 2), DELETE.format("= 5"), "DROP TABLE sightline_ledger"]
)
def test_new_ledger_begins_with_those_who_serve(five: Workspace, statement: str) -> None:
    for model, version in (("colours", 5), ("shapes", 2)):
        write_pointer(five, ChampionPointer(model, version, "d" * 64))
    by_hand(five, statement)

    begin_anew(five, who="ada", why="edited by mistake", when=TIME)

    assert check_ledger(five) == ()
    first, second = all_entries(five)
    assert (first.model, first.version, second.model, second.version) == ("colours", 5, "shapes", 2)
    assert first.why.startswith(
        "edited by mistake; the ledger before is the table sightline_ledger_until_2026"
    )
    assert ledger.append(five, make_move(6), after=first).sequence == 3


def test_new_ledger_keeps_the_old_one(five: Workspace) -> None:
    by_hand(five, EDIT.format("version = 9", 2))

    name = begin_anew(five, who="ada", why="edited", when=TIME)

    assert name == "sightline_ledger_until_20261122010533"
    with ledger.connect(five) as connection:
        rows = connection.exec_driver_sql(f"SELECT version FROM {name} ORDER BY sequence")
        assert [version for (version,) in rows] == [1, 9, 3, 4, 5]


def test_whole_ledger_is_not_begun_anew(five: Workspace) -> None:
    with pytest.raises(RegistryError, match="nothing to begin anew for"):
        begin_anew(five, who="ada", why="why not", when=TIME)

    assert len(list(all_entries(five))) == 5


def test_new_ledger_that_cannot_be_written_leaves_the_old(
    five: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pointer(five, ChampionPointer("colours", 5, "d" * 64))
    by_hand(five, EDIT.format("version = 9", 2))
    monkeypatch.setattr("registry.new_ledger.LEDGER.insert", _fail)

    with pytest.raises(OSError, match="no more"):
        begin_anew(five, who="ada", why="edited", when=TIME)

    assert [row.version for row in all_entries(five)] == [1, 9, 3, 4, 5]


def _fail() -> Callable[[], None]:
    raise OSError("no more")

"""API keys: kept as digests, followed without a restart, and no file means nobody."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serving.front.keys import LOOK_SECONDS, Keys, add_key, read_keys, remove_key
from vision.errors import ConfigError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def go_on(self) -> None:
        self.now += LOOK_SECONDS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_key_opens_under_its_name_and_nothing_else_does(file, clock) -> None:
    shop, lab = add_key(file, "shop", now=NOW), add_key(file, "lab", now=NOW)
    keys = Keys(file, clock=clock)

    assert [keys.name_of(key.encode()) for key in (shop, lab)] == ["shop", "lab"]
    wrong = [
        b"",
        b"sl_",
        shop[:-1],
        shop + "x",
        shop.upper(),
        "shop",
        hashlib.sha256(shop.encode()).hexdigest(),
    ]
    assert {keys.name_of(key if isinstance(key, bytes) else key.encode()) for key in wrong} == {None}
    assert keys.name_of(b"\xff\x00\xfe") is None


def test_the_file_holds_the_digest_and_never_the_key(file) -> None:
    key = add_key(file, "shop", now=NOW)

    [kept] = read_keys(file)

    assert key.startswith("sl_")
    assert len(key) >= 3 + 43  # 32 bytes in base64 without padding
    assert key[3:] not in file.read_text()
    assert (kept.name, kept.created) == ("shop", NOW)
    assert kept.sha256 == hashlib.sha256(key.encode()).hexdigest()


def test_keys_are_rotated_without_a_restart(file, clock) -> None:
    old = add_key(file, "old", now=NOW).encode()
    keys = Keys(file, clock=clock)
    assert keys.name_of(old) == "old"

    new = add_key(file, "new", now=NOW).encode()
    remove_key(file, "old")
    clock.go_on()

    assert (keys.name_of(old), keys.name_of(new)) == (None, "new")


def test_the_file_is_looked_at_once_a_second_at_most(file, clock, monkeypatch) -> None:
    key = add_key(file, "shop", now=NOW).encode()
    keys = Keys(file, clock=clock)
    keys.name_of(key)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: pytest.fail("looked at again"))

    assert keys.name_of(key) == "shop"


def test_a_missing_file_admits_nobody_until_it_is_there(file, clock, caplog) -> None:
    keys = Keys(file, clock=clock)
    assert keys.name_of(b"") is None
    assert "sightline keys add" in caplog.text

    key = add_key(file, "shop", now=NOW).encode()
    clock.go_on()
    assert keys.name_of(key) == "shop"

    file.unlink()
    clock.go_on()
    assert keys.name_of(key) is None


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"keys": 1}', '{"keys": [{"name": "shop"}]}', '{"other": []}', "\ud800"],
)
def test_a_damaged_file_admits_nobody_and_the_log_says_so_once(file, clock, caplog, damage) -> None:
    key = add_key(file, "shop", now=NOW).encode()
    keys = Keys(file, clock=clock)
    file.write_bytes(damage.encode("utf-8", "surrogatepass"))

    for _ in range(3):
        assert keys.name_of(key) is None
        clock.go_on()

    assert len([line for line in caplog.messages if "every request is refused" in line]) == 1


def test_an_unreadable_file_admits_nobody(file, clock) -> None:
    file.mkdir()

    assert Keys(file, clock=clock).name_of(b"sl_x") is None


def test_a_file_of_no_keys_admits_nobody(file, clock) -> None:
    key = add_key(file, "shop", now=NOW).encode()
    remove_key(file, "shop")

    assert read_keys(file) == ()
    assert Keys(file, clock=clock).name_of(key) is None


def test_a_change_is_seen_whatever_the_files_date(file, clock) -> None:
    old = add_key(file, "shop", now=NOW).encode()
    keys = Keys(file, clock=clock)
    keys.name_of(old)
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns

    remove_key(file, "shop")
    add_key(file, "shop", now=NOW)
    os.utime(file, ns=times)
    clock.go_on()

    assert keys.name_of(old) is None


@pytest.mark.parametrize("name", ["", "two words", "a" * 65, "line\nbreak", "../up", "ümlaut"])
def test_a_name_that_cannot_stand_in_a_log_is_refused(file, name) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        add_key(file, name, now=NOW)
    assert not file.exists()


def test_a_name_is_given_once(file) -> None:
    add_key(file, "shop", now=NOW)

    with pytest.raises(ConfigError, match='"shop" is there already'):
        add_key(file, "shop", now=NOW)
    with pytest.raises(ConfigError, match=r'no key "lab".*: it has shop'):
        remove_key(file, "lab")


def test_every_key_is_compared_whole(file, clock, monkeypatch) -> None:
    compared: list[str] = []
    keys = [add_key(file, name, now=NOW) for name in ("one", "two", "three")]
    monkeypatch.setattr("serving.front.keys.hmac.compare_digest", lambda a, b: compared.append(b) or a == b)

    assert Keys(file, clock=clock).name_of(keys[0].encode()) == "one"

    assert compared == [key.sha256 for key in read_keys(file)]

"""Models beside the default one: loaded when asked for, followed, and dropped to make room."""

from __future__ import annotations

import pytest

from registry.pointer import bundle_path
from serving.answers import RequestError
from serving.versions.champion import model_bytes
from tests.serving.fleet_world import (
    choose_of,
    chosen,
    fleet,
    make_fleet,
    other,
    told,
    write_rule,
)

__all__ = ["fleet", "make_fleet", "told"]


def test_another_model_is_loaded_once_however_many_ask_for_it_first(fleet, registry, told) -> None:
    other(registry, "flowers").promote(4)
    fleet.refresh()

    answers = choose_of(fleet, *["flowers"] * 10)

    assert {(served.pointer.model, served.pointer.version) for served in answers} == {("flowers", 4)}
    assert told.loads == [("digits", 1, "champion"), ("flowers", 4, "champion")]


def test_no_model_is_loaded_by_the_event_loop(fleet, registry, told) -> None:
    other(registry, "flowers").promote(1)
    fleet.refresh()
    told.threads.clear()

    choose_of(fleet, "flowers")

    assert [thread.name for thread in told.threads] == ["load_0"]


def test_another_model_is_followed_once_it_is_loaded(fleet, registry) -> None:
    other(registry, "flowers").promote(1)
    fleet.refresh()
    [before] = choose_of(fleet, "flowers")
    other(registry, "flowers").promote(2)
    fleet.refresh()
    [after] = choose_of(fleet, "flowers")

    assert (before.pointer.version, after.pointer.version) == (1, 2)


NO_MODELS = ("flowers", "..", "../outside", "digits/../digits", "%2e%2e", "", "DIGITS", "*", "\0", "x" * 9999)


def test_a_name_that_is_no_model_is_refused_with_those_there_are(fleet, registry) -> None:
    # Where a path could lead to, with all that a model has.
    other(registry, "../outside").promote(1)

    for name in NO_MODELS:
        with pytest.raises(RequestError, match="there are digits") as refused:
            choose_of(fleet, name)
        assert (refused.value.status, refused.value.code) == (404, "unknown_model"), name
        assert len(refused.value.message) < 150


def test_a_model_that_fails_is_not_tried_again_by_every_request(fleet, registry, told) -> None:
    flowers = other(registry, "flowers").promote(1)
    (bundle_path(registry.workspace, "flowers", 1) / "model.xml").unlink()
    fleet.refresh()

    for _ in range(3):
        with pytest.raises(RequestError, match="could not be loaded") as refused:
            choose_of(fleet, "flowers")

    assert refused.value.status == 503
    assert told.failures == [flowers]


@pytest.fixture
def three(registry) -> int:
    """Bytes of the larger of the models aaa, bbb and ccc, which differ by a few."""
    registry.promote(1)
    for name in ("aaa", "bbb", "ccc"):
        other(registry, name).promote(1)
    return max(model_bytes(bundle_path(registry.workspace, name, 1)) for name in ("aaa", "bbb", "ccc"))


def test_the_least_recently_used_model_makes_room(make_fleet, three, told) -> None:
    fleet = make_fleet(models_bytes=2 * three)
    fleet.refresh()

    for name in ("aaa", "bbb", "aaa", "ccc"):
        choose_of(fleet, name)

    loaded = {name for name in ("digits", "aaa", "bbb", "ccc") if fleet.arms(name).champion}
    assert loaded == {"digits", "aaa", "ccc"}
    assert [model for model, *_ in told.loads] == ["digits", "aaa", "bbb", "ccc"]
    assert choose_of(fleet, "bbb")[0].pointer.model == "bbb"


def test_a_model_larger_than_the_room_for_all_is_refused(make_fleet, three, told) -> None:
    fleet = make_fleet(models_bytes=three / 2)
    fleet.refresh()

    with pytest.raises(RequestError, match="could not be loaded"):
        choose_of(fleet, "aaa")
    assert chosen(fleet) == (1, "champion")
    assert told.failures[0].model == "aaa"


def test_a_challenger_of_another_model_must_fit_in_beside_its_champion(make_fleet, registry, three) -> None:
    write_rule(registry, other(registry, "aaa").store(2), share=1.0)
    fleet = make_fleet(models_bytes=1.5 * three)
    fleet.refresh()

    [served] = choose_of(fleet, "aaa")

    assert (served.pointer.version, served.arm) == (1, "champion")
    assert fleet.arms("aaa").challenger is None

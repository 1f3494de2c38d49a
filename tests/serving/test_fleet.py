"""Several models, each with a champion and a challenger: followed, loaded when asked for, dropped."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from registry.pointer import bundle_path, pointer_path
from registry.traffic import end_traffic, traffic_path
from serving.answers import RequestError
from serving.settings import Settings
from serving.versions.champion import RegistrySource
from serving.versions.embedded import EmbeddedSource
from serving.versions.fleet import Fleet
from tests.serving.fleet_world import (
    ASKS_FOR_CHALLENGER,
    challenge,
    choose_of,
    chosen,
    fleet,
    make_fleet,
    other,
    request,
    told,
    write_rule,
)
from vision.classifier import ImageClassifier

__all__ = ["fleet", "make_fleet", "told"]


def test_nothing_answers_until_the_first_promotion(make_fleet, registry) -> None:
    fleet = make_fleet(source=RegistrySource(registry.workspace))
    fleet.refresh()
    with pytest.raises(RequestError, match="make train") as refused:
        fleet.choose(request())
    registry.promote(1)
    fleet.refresh()

    assert refused.value.status == 503
    assert fleet.is_ready
    assert chosen(fleet) == (1, "champion")


def test_a_default_that_was_found_stays_when_there_are_more_models(make_fleet, registry) -> None:
    registry.promote(1)
    fleet = make_fleet(source=RegistrySource(registry.workspace))
    fleet.refresh()
    other(registry, "aaa").promote(1)
    registry.promote(2)
    fleet.refresh()

    served = fleet.choose(request())
    assert (served.pointer.model, served.pointer.version) == ("digits", 2)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model": "digits"}', b"\xff\xfe"])
def test_a_damaged_pointer_leaves_the_old_version_serving(fleet, registry, content) -> None:
    pointer_path(registry.workspace, "digits").write_bytes(content)
    fleet.refresh()

    assert chosen(fleet) == (1, "champion")


def test_damage_that_comes_again_after_it_was_mended_is_news(fleet, registry, caplog) -> None:
    path = pointer_path(registry.workspace, "digits")
    good = path.read_bytes()

    for content in (b"{", b"{", good, b"{"):
        path.write_bytes(content)
        fleet.refresh()

    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 2


def test_a_damaged_first_pointer_gives_a_reason_without_a_path(make_fleet, registry) -> None:
    registry.promote(1)
    pointer_path(registry.workspace, "digits").write_text("{")
    fleet = make_fleet()
    fleet.refresh()

    assert not fleet.is_ready
    assert "damaged" in fleet.reason
    assert str(registry.workspace.root) not in fleet.reason


def test_a_challenger_answers_its_share_and_stops_when_the_rule_ends(fleet, registry) -> None:
    challenge(registry, 2, share=1.0)
    fleet.refresh()
    during = chosen(fleet), chosen(fleet, x_sightline_arm="champion")
    end_traffic(registry.workspace, "digits")
    fleet.refresh()

    assert during == ((2, "challenger"), (1, "champion"))
    assert chosen(fleet, **ASKS_FOR_CHALLENGER) == (1, "champion")
    assert fleet.arms("digits").challenger is None


def test_an_arm_that_does_not_exist_is_refused_during_an_experiment(fleet, registry) -> None:
    challenge(registry, 2)
    fleet.refresh()

    with pytest.raises(RequestError, match="third") as refused:
        fleet.choose(request(x_sightline_arm="third"))
    assert refused.value.status == 400


def test_a_shadow_answers_nobody(fleet, registry) -> None:
    challenge(registry, 2, mode="shadow", share=1.0)
    fleet.refresh()
    shadow = fleet.shadow("digits")

    assert (shadow.pointer.version, shadow.arm) == (2, "shadow")
    assert chosen(fleet, **ASKS_FOR_CHALLENGER) == (1, "champion")
    assert fleet.shadow("flowers") is None


def test_a_rule_that_turns_from_shadow_to_split_loads_nothing_again(fleet, registry, told) -> None:
    challenger = registry.store(2)
    write_rule(registry, challenger, mode="shadow")
    fleet.refresh()
    write_rule(registry, challenger, mode="split")
    fleet.refresh()

    assert fleet.shadow("digits") is None
    assert chosen(fleet, **ASKS_FOR_CHALLENGER) == (2, "challenger")
    assert told.loads == [("digits", 1, "champion"), ("digits", 2, "challenger")]


def test_a_damaged_rule_gives_the_champion_all_and_is_counted_once(fleet, registry, told, caplog) -> None:
    challenge(registry, 2, share=1.0)
    fleet.refresh()
    traffic_path(registry.workspace, "digits").write_bytes(b"\xff{")
    fleet.refresh()
    fleet.refresh()

    assert chosen(fleet, **ASKS_FOR_CHALLENGER) == (1, "champion")
    assert told.events == {"traffic_damaged": 1}
    assert "traffic.json is damaged" in caplog.text


def test_a_challenger_that_cannot_be_loaded_leaves_all_to_the_champion(fleet, registry, told) -> None:
    challenge(registry, 2, share=1.0)
    fleet.refresh()
    challenge(registry, 3, share=1.0)
    (bundle_path(registry.workspace, "digits", 3) / "model.bin").write_bytes(b"")
    fleet.refresh()

    # Not the challenger before it either: the rule is about version 3.
    assert chosen(fleet, **ASKS_FOR_CHALLENGER) == (1, "champion")
    assert [pointer.version for pointer in told.failures] == [3]


def test_whoever_wants_to_know_is_told_which_bundles_are_loaded(make_fleet, registry) -> None:
    heard: list[frozenset[str]] = []
    first = registry.promote(1)
    fleet = make_fleet(on_change=heard.append)
    fleet.refresh()
    fleet.refresh()
    flowers = other(registry, "flowers").promote(5)
    fleet.refresh()
    choose_of(fleet, "flowers")
    second = registry.promote(2)
    fleet.refresh()

    digests = first.digest, flowers.digest, second.digest
    assert heard == [{digests[0]}, {digests[0], digests[1]}, {digests[1], digests[2]}]


def test_a_bento_answers_by_its_own_bundle_alone(make_fleet, registry, tmp_path) -> None:
    pointer = registry.promote(1)
    embedded = EmbeddedSource(tmp_path / "embedded")
    embedded.root.mkdir()
    bundle_path(registry.workspace, "digits", 1).rename(embedded.root / "bundle")
    embedded.write_pointer(pointer)
    fleet = make_fleet(source=embedded)
    fleet.refresh()

    assert chosen(fleet, **ASKS_FOR_CHALLENGER) == (1, "champion")
    assert choose_of(fleet, "digits")[0].pointer == pointer


def test_following_goes_on_after_a_fault(make_fleet, registry, caplog) -> None:
    registry.promote(1)
    faults = iter([OSError("out of file handles"), TypeError("odd")])

    class Faulty(RegistrySource):
        def models(self) -> tuple[str, ...]:
            if fault := next(faults, None):
                raise fault
            return super().models()

    fleet = make_fleet(source=Faulty(registry.workspace))
    fleet.start()

    wait_for(lambda: fleet.is_ready)
    assert caplog.text.count("could not be followed") == 2


def wait_for(condition, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def expected(registry, encoded) -> dict[int, np.ndarray]:
    """What versions 1 to 3 answer for photo.jpg; 1 is champion, 3 has half of the requests."""
    challenge(registry, 3, share=0.5)
    registry.store(2)
    registry.promote(1)
    folders = {version: bundle_path(registry.workspace, "digits", version) for version in (1, 2, 3)}
    photo = encoded["photo.jpg"]
    return {version: ImageClassifier.load(folder).classify(photo) for version, folder in folders.items()}


def test_no_request_is_dropped_or_mixed_up_while_versions_swap(
    make_fleet, registry, encoded, expected
) -> None:
    fleet, stop, answered = make_fleet(), threading.Event(), Counter()
    fleet.start()
    wait_for(lambda: fleet.is_ready)

    def hammer() -> None:
        while not stop.is_set():
            served = fleet.choose(request())
            answer = served.classifier.classify(encoded["photo.jpg"])
            np.testing.assert_array_equal(answer, expected[served.pointer.version])
            answered[served.pointer.version, served.arm] += 1

    def promote_and_wait(version: int) -> None:
        answered.clear()
        registry.point_to(version)
        wait_for(lambda: answered[version, "champion"] and answered[3, "challenger"])

    with ThreadPoolExecutor(2) as pool:
        hammering = [pool.submit(hammer) for _ in range(2)]
        try:
            for version in (2, 1, 2):
                promote_and_wait(version)
        finally:
            stop.set()
    assert [hammered.exception() for hammered in hammering] == [None, None]


def test_a_fleet_is_made_of_settings(registry, told) -> None:
    other(registry, "flowers").promote(1)
    settings = Settings(models_megabytes=0.0001)
    fleet = Fleet.from_settings(settings, RegistrySource(registry.workspace, "digits"), told)
    fleet.refresh()

    # 100 bytes: too few for any model.
    with pytest.raises(RequestError, match="could not be loaded"):
        choose_of(fleet, "flowers")

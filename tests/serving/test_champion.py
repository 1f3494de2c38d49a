"""Following one arm of a model, step by step and without a thread; where models are looked up."""

from __future__ import annotations

import pytest

from registry.pointer import ChampionPointer, bundle_path
from serving.versions.champion import Follower, RegistrySource, Served, model_bytes, open_served
from serving.versions.embedded import EmbeddedSource
from vision.errors import BundleError, ConfigError, NoChampion


class Told:
    """A Watcher that remembers."""

    def __init__(self) -> None:
        self.served: list[tuple[int, str]] = []
        self.failures: list[int] = []

    def serves(self, served: Served) -> None:
        self.served.append((served.pointer.version, served.arm))

    def failed(self, pointer: ChampionPointer) -> None:
        self.failures.append(pointer.version)

    def count(self, event: str) -> None:
        raise AssertionError(event)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def follower(registry, told) -> Follower:
    return Follower(RegistrySource(registry.workspace), "champion", retry_seconds=0, watcher=told)


def test_a_new_version_swaps_pointer_and_classifier_together(follower, registry, told) -> None:
    follower.follow(registry.store(1))
    before = follower.served
    follower.follow(registry.store(2))

    assert (before.pointer.version, follower.served.pointer.version) == (1, 2)
    assert before.classifier is not follower.served.classifier
    assert told.served == [(1, "champion"), (2, "champion")]


def test_an_unchanged_version_is_not_loaded_again(follower, registry) -> None:
    pointer = registry.store(1)
    follower.follow(pointer)
    before = follower.served
    follower.follow(pointer)

    assert follower.served is before


def test_a_version_that_fails_leaves_the_old_one_and_is_tried_again(follower, registry, told) -> None:
    follower.follow(registry.store(1))
    second = registry.store(2)
    model = bundle_path(registry.workspace, "digits", 2) / "model.xml"
    content = model.read_bytes()
    model.write_bytes(b"altered")
    follower.follow(second)
    kept = follower.served.pointer.version
    model.write_bytes(content)
    follower.follow(second)

    assert (kept, follower.served.pointer.version) == (1, 2)
    assert told.failures == [2]


def test_a_version_that_failed_is_left_alone_for_a_while(registry, told) -> None:
    patient = Follower(RegistrySource(registry.workspace), "champion", retry_seconds=60, watcher=told)
    pointer = registry.store(1)
    (bundle_path(registry.workspace, "digits", 1) / "model.xml").unlink()

    patient.follow(pointer)
    patient.follow(pointer)

    assert told.failures == [1]


def test_a_first_version_that_fails_gives_a_reason_without_a_path(follower, registry) -> None:
    pointer = registry.store(1)
    (bundle_path(registry.workspace, "digits", 1) / "model.xml").unlink()

    follower.follow(pointer)

    assert follower.served is None
    assert pointer.model in follower.reason
    assert str(registry.workspace.root) not in follower.reason


def test_nothing_to_follow_serves_nothing_any_more(follower, registry, told) -> None:
    pointer = registry.store(1)
    follower.follow(pointer)
    follower.follow(None)
    ended = follower.served
    follower.follow(None)
    follower.follow(pointer)

    assert ended is None
    assert told.served == [(1, "champion"), (0, "champion"), (1, "champion")]


def test_size_is_that_of_the_model_files_alone(registry) -> None:
    registry.store(1)
    folder = bundle_path(registry.workspace, "digits", 1)
    files = [folder / "model.xml", folder / "model.bin"]

    assert model_bytes(folder) == sum(len(file.read_bytes()) for file in files)
    assert model_bytes(folder / "golden" / "noise.png") == 0


def test_a_model_beyond_its_bytes_is_not_opened(follower, registry, told) -> None:
    pointer = registry.store(1)
    size = model_bytes(bundle_path(registry.workspace, "digits", 1))

    follower.follow(pointer, max_bytes=size - 1)
    refused = follower.served
    follower.follow(pointer, max_bytes=size)

    assert refused is None
    assert told.failures == [1]
    assert follower.served.size_bytes == size


def test_a_bundle_of_another_digest_is_refused(registry) -> None:
    one, two = registry.store(1), registry.store(2)

    with pytest.raises(BundleError, match="not the one that was promoted"):
        open_served(bundle_path(registry.workspace, "digits", 2), one)
    open_served(bundle_path(registry.workspace, "digits", 2), two)


def test_models_are_those_with_a_champion(registry) -> None:
    source = RegistrySource(registry.workspace)
    none = source.models()
    registry.promote(1)
    (registry.workspace.registry / "unfinished" / "bundles").mkdir(parents=True)

    assert (none, source.models()) == ((), ("digits",))


def test_default_is_the_only_model_or_the_one_named(registry) -> None:
    with pytest.raises(NoChampion, match="make train"):
        RegistrySource(registry.workspace).default()
    registry.promote(1)
    only = RegistrySource(registry.workspace).default()
    type(registry)(registry.workspace, "flowers").promote(1)

    with pytest.raises(ConfigError, match="SIGHTLINE_MODEL to one of digits, flowers"):
        RegistrySource(registry.workspace).default()
    assert (only, RegistrySource(registry.workspace, "flowers").default()) == ("digits", "flowers")


def test_a_bento_has_one_model_and_no_challenger(registry, tmp_path) -> None:
    pointer = registry.store(3)
    embedded = EmbeddedSource(tmp_path)
    embedded.write_pointer(pointer)

    assert (embedded.default(), embedded.models()) == ("digits", ("digits",))
    assert (embedded.pointer("digits"), embedded.traffic("digits")) == (pointer, None)


def test_the_repository_carries_no_bundle_of_its_own() -> None:
    assert not EmbeddedSource.of_this_code().exists()

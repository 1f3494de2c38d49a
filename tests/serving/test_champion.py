"""Following the champion, step by step and without a thread."""

from __future__ import annotations

import pytest

from registry.pointer import bundle_path, pointer_path
from serving.champion import Champion, RegistrySource, open_served
from serving.embedded import EmbeddedSource
from vision.errors import BundleError


@pytest.fixture
def champion(registry) -> Champion:
    return Champion(RegistrySource(registry.workspace), poll_seconds=1, retry_seconds=0)


def test_nothing_serves_until_the_first_promotion(champion, registry) -> None:
    champion.refresh()
    reason = champion.reason
    registry.promote(1)
    champion.refresh()

    assert "make train" in reason
    assert champion.served.pointer.version == 1


def test_a_promotion_swaps_version_and_classifier_together(champion, registry) -> None:
    registry.promote(1)
    champion.refresh()
    before = champion.served
    registry.promote(2)
    champion.refresh()

    assert (before.pointer.version, champion.served.pointer.version) == (1, 2)
    assert before.classifier is not champion.served.classifier


def test_an_unchanged_pointer_loads_nothing(champion, registry) -> None:
    registry.promote(1)
    champion.refresh()
    before = champion.served
    champion.refresh()

    assert champion.served is before


def test_a_version_that_fails_leaves_the_old_one_and_is_tried_again(champion, registry) -> None:
    registry.promote(1)
    champion.refresh()
    registry.promote(2)
    model = bundle_path(registry.workspace, "digits", 2) / "model.xml"
    content = model.read_bytes()
    model.write_bytes(b"altered")
    champion.refresh()
    failed = champion.served.pointer.version
    model.write_bytes(content)
    champion.refresh()

    assert (failed, champion.served.pointer.version) == (1, 2)


def test_a_first_version_that_fails_gives_a_reason_without_a_path(champion, registry) -> None:
    pointer = registry.promote(1)
    (bundle_path(registry.workspace, "digits", 1) / "model.xml").unlink()
    champion.refresh()

    assert champion.served is None
    assert pointer.model in champion.reason
    assert str(registry.workspace.root) not in champion.reason


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": "digits"}'])
def test_a_damaged_pointer_leaves_the_old_version_serving(champion, registry, text) -> None:
    registry.promote(1)
    champion.refresh()
    pointer_path(registry.workspace, "digits").write_text(text)
    champion.refresh()

    assert champion.served.pointer.version == 1


def test_a_bundle_of_another_digest_is_refused(registry) -> None:
    one, two = registry.store(1), registry.store(2)

    with pytest.raises(BundleError, match="not the one that was promoted"):
        open_served(bundle_path(registry.workspace, "digits", 2), one)
    open_served(bundle_path(registry.workspace, "digits", 2), two)


def test_the_repository_carries_no_bundle_of_its_own() -> None:
    assert not EmbeddedSource.of_this_code().exists()

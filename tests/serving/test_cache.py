"""Repeated queries in memory: computed once, bounded, forgotten in time, and never another version's."""

from __future__ import annotations

import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import pytest

from registry.bundles import load_bundle
from registry.pointer import bundle_path
from serving.caching.memory import ENTRY_BYTES, MemoryCache, cache_from_settings
from serving.engine import Engine
from serving.observers.metrics import Metrics
from serving.settings import Settings
from serving.versions.champion import Served
from vision.errors import ImageError

LOGITS = np.array([[0.5, -2.0, 7.25]], np.float32)


def key_of(bundle: str, image: int) -> str:
    """A key as the engine makes it: two sha256 in hex."""
    return f"{bundle * 64}-{image:064x}"


def unexpected() -> np.ndarray:
    pytest.fail("computed, though the logits are known")


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache(1, 3600)


def test_what_was_computed_is_known_afterwards(cache) -> None:
    first, known = cache.logits("a-1", lambda: LOGITS)
    again, known_again = cache.logits("a-1", unexpected)

    assert (known, known_again) == (False, True)
    np.testing.assert_array_equal(first, LOGITS)
    np.testing.assert_array_equal(again, LOGITS)


def test_another_image_and_another_bundle_are_computed_anew(cache) -> None:
    asked = [cache.logits(key, lambda: LOGITS)[1] for key in ("a-1", "a-2", "b-1", "a-1")]

    assert asked == [False, False, False, True]


def test_nobody_can_change_what_the_others_are_given(cache) -> None:
    own = LOGITS.copy()
    given, _ = cache.logits("a-1", lambda: own)
    own[:] = 0

    with pytest.raises(ValueError, match="read-only"):
        given[:] = 0
    np.testing.assert_array_equal(cache.logits("a-1", unexpected)[0], LOGITS)


def test_a_row_of_a_batch_does_not_keep_the_batch(cache) -> None:
    batch = np.zeros((256, 3), np.float32)

    assert cache.logits("a-1", lambda: batch[5:6])[0].base is None


def test_a_stampede_computes_once(cache) -> None:
    together, computed = threading.Barrier(16), []

    def compute() -> np.ndarray:
        computed.append(1)
        time.sleep(0.1)  # all the others have asked by now
        return LOGITS

    def ask(_: int) -> bool:
        together.wait()
        return cache.logits("a-1", compute)[1]

    with ThreadPoolExecutor(16) as pool:
        known = list(pool.map(ask, range(16)))

    assert len(computed) == 1
    assert sorted(known) == [False] + [True] * 15


def test_different_images_do_not_wait_for_each_other(cache) -> None:
    both = threading.Barrier(2, timeout=10)

    def compute() -> np.ndarray:
        both.wait()  # breaks unless the other computes at the same time
        return LOGITS

    with ThreadPoolExecutor(2) as pool:
        asked = list(pool.map(lambda key: cache.logits(key, compute)[1], ["a-1", "a-2"]))

    assert asked == [False, False]


def test_a_stampede_of_something_that_is_no_image_ends(cache) -> None:
    together = threading.Barrier(8)

    def refuse() -> np.ndarray:
        time.sleep(0.01)
        raise ImageError("not an image")

    def ask(_: int) -> str:
        together.wait()
        with pytest.raises(ImageError) as raised:
            cache.logits("a-1", refuse)
        return str(raised.value)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8), timeout=20)) == ["not an image"] * 8


def test_an_error_is_not_remembered(cache) -> None:
    with pytest.raises(ImageError):
        cache.logits("a-1", lambda: (_ for _ in ()).throw(ImageError("once")))

    assert cache.logits("a-1", lambda: LOGITS)[1] is False
    assert cache.logits("a-1", unexpected)[1] is True


def test_the_least_recently_asked_makes_room() -> None:
    cache = MemoryCache(2.5 * (ENTRY_BYTES + LOGITS.nbytes) / 1e6, 3600)  # room for two
    for key in ("a-1", "a-2", "a-1", "a-3"):
        cache.logits(key, lambda: LOGITS)

    cache.logits("a-1", unexpected)
    cache.logits("a-3", unexpected)
    assert cache.logits("a-2", lambda: LOGITS)[1] is False


def test_megabytes_bound_what_is_really_taken() -> None:
    cache, logits = MemoryCache(1, 3600), np.zeros((1, 10), np.float32)
    tracemalloc.start()
    for image in range(4000):  # of which a quarter or so has room
        cache.logits(key_of("a", image), lambda: logits)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 500_000 < taken < 1_000_000


@pytest.mark.parametrize("megabytes", [0, 0.0001])
def test_an_answer_without_room_is_given_all_the_same(megabytes) -> None:
    cache = MemoryCache(megabytes, 3600)

    for _ in range(2):
        logits, known = cache.logits("a-1", lambda: LOGITS)
        np.testing.assert_array_equal(logits, LOGITS)
        assert known is False


def test_an_answer_is_forgotten_after_its_seconds() -> None:
    cache = MemoryCache(1, 0.05)
    cache.logits("a-1", lambda: LOGITS)

    time.sleep(0.1)

    assert cache.logits("a-1", lambda: LOGITS)[1] is False


def test_keep_forgets_the_other_bundles() -> None:
    cache = MemoryCache(1, 3600)
    for bundle in "abc":
        cache.logits(key_of(bundle, 1), lambda: LOGITS)

    cache.keep({"a" * 64, "c" * 64})

    cache.logits(key_of("a", 1), unexpected)
    cache.logits(key_of("c", 1), unexpected)
    assert cache.logits(key_of("b", 1), lambda: LOGITS)[1] is False


def test_nothing_is_added_while_keep_looks_through_the_answers(cache) -> None:
    cache.logits(key_of("a", 1), lambda: LOGITS)

    class Digests(list[str]):
        def __contains__(self, digest: object) -> bool:
            asking.append(pool.submit(cache.logits, key_of("b", 1), lambda: LOGITS))
            added_meanwhile.append(bool(wait(asking, timeout=0.1).done))
            return False

    with ThreadPoolExecutor(1) as pool:
        asking, added_meanwhile = [], []
        cache.keep(Digests())

    assert added_meanwhile == [False]
    assert asking[0].result()[1] is False


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (Settings(), "MemoryCache"),
        (Settings(cache_megabytes=0), "NoneType"),
        (Settings(redis_url="redis://127.0.0.1:1"), "RedisCache"),
        (Settings(redis_url="redis://127.0.0.1:1", cache_megabytes=0), "RedisCache"),
    ],
)
def test_the_settings_choose_the_cache(settings, kind) -> None:
    assert type(cache_from_settings(settings, Metrics())).__name__ == kind


@pytest.fixture
def versions(registry) -> list[Served]:
    pointers = [registry.store(number) for number in (1, 2)]
    folders = [bundle_path(registry.workspace, "digits", pointer.version) for pointer in pointers]
    return [Served(pointer, load_bundle(folder)) for pointer, folder in zip(pointers, folders, strict=True)]


def test_the_engine_gives_each_version_its_own_answers(cache, versions, encoded) -> None:
    engine = Engine(Settings(), None, Metrics(), None, cache=cache)
    image = encoded["photo.jpg"]

    answers = [engine.classify(served, image) for served in (*versions, *versions)]

    assert [answer.cached for answer in answers] == [False, False, True, True]
    for served, answer in zip((*versions, *versions), answers, strict=True):
        expected = served.classifier.classify(image)
        np.testing.assert_allclose(answer.judgement.probabilities[0], expected, atol=1e-6)
    assert [answer.seconds["infer"] > 0 for answer in answers] == [True, True, False, False]

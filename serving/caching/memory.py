"""Answers that are remembered: the logits of images that a version has seen already.

What is kept are logits and not answers, so that top_k, arm and id stay each request's own. A key is
"{bundle digest}-{sha256 of the encoded bytes}": a version can never be given another's answer. The bytes
are hashed as they came: 0.04 ms of a 60 KB JPEG, where its pixels cost 1.3 ms before they can be hashed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cachetools import TTLCache, cached

from serving.observers.metrics import Metrics
from serving.settings import MEGABYTE, Settings
from vision.runtimes import Logits

if TYPE_CHECKING:
    from serving.caching.redis_store import RedisCache

# What an entry takes besides its numbers: key, array object and the places in cachetools' tables. 535 to 615
# by tracemalloc on CPython 3.11, and a reserve for the gaps that it does not see.
ENTRY_BYTES = 700


class MemoryCache:
    """The logits last asked for, in this process: at most `megabytes` of them, none older than `seconds`."""

    def __init__(self, megabytes: float, seconds: float) -> None:
        self._free = threading.Condition()
        self._known: TTLCache[str, Logits, float] = TTLCache(
            megabytes * MEGABYTE, seconds, getsizeof=lambda logits: logits.nbytes + ENTRY_BYTES
        )
        # With a condition, cachetools lets one thread compute a key while the others wait for it.
        self._recall = cached(self._known, key=lambda key, compute: key, condition=self._free)(
            lambda key, compute: compute()
        )

    def logits(self, key: str, compute: Callable[[], Logits]) -> tuple[Logits, bool]:
        """The logits (1, K), float32, read-only, and whether they were known.

        Threads that ask for one key at a time wait for the first of them; where its `compute` raises, that
        thread alone gets the error and the next one computes.
        """
        known = True

        def compute_copy() -> Logits:
            nonlocal known
            known = False
            logits = compute().copy()  # a row of a batch would keep the whole batch in memory
            logits.flags.writeable = False  # everybody who asks is given this array
            return logits

        return self._recall(key, compute_copy), known

    def keep(self, digests: Collection[str]) -> None:
        """Forgets the answers of every bundle but these, by digest; for after a promotion."""
        with self._free:
            others = [key for key in self._known if key.partition("-")[0] not in digests]
        for key in others:  # one at a time: requests do not wait for tens of thousands
            with self._free:
                self._known.pop(key, None)


def cache_from_settings(settings: Settings, metrics: Metrics) -> MemoryCache | RedisCache | None:
    """The cache that the settings ask for, if any; ConfigError where redis_url is no such URL.

    With Redis at least a megabyte is kept in the process too: from there the threads that wait for one
    answer are given it, also while Redis is away.
    """
    seconds = settings.cache_seconds
    if settings.redis_url is None:
        return MemoryCache(settings.cache_megabytes, seconds) if settings.cache_megabytes else None
    from serving.caching.redis_store import RedisCache  # 8 MB and 0.1 s, for those who use it

    memory = MemoryCache(max(settings.cache_megabytes, 1), seconds)
    return RedisCache(
        settings.redis_url,
        seconds=seconds,
        memory=memory,
        on_unavailable=lambda: metrics.count("cache_unavailable"),
    )

"""Answers that all workers share: logits in Redis, behind those that the process remembers itself.

Redis makes the service faster or it does nothing. Where it is down, slow or full, the service computes as
if there were none, and leaves it alone for a while, so that only few requests wait for it in vain. Whoever
can write to it decides what the service answers: it has to be as private as the bundles.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Collection
from typing import TypeVar

import numpy as np
from redis import Redis

from serving.caching.memory import MemoryCache
from vision.errors import ConfigError
from vision.runtimes import Logits

logger = logging.getLogger("sightline.cache")

T = TypeVar("T")

# The number is of the format: another makes older entries unknown.
PREFIX = "sightline:logits:1:"
# Of connecting, and of each reply; a reply in one machine takes 0.1 ms, in one data centre 1 ms. The URL may
# say otherwise: redis://cache?socket_timeout=0.2
TIMEOUT_SECONDS = 0.05
REST_SECONDS = 5.0
CHECKSUM_BYTES = 4


class RedisCache:
    """Logits in Redis for `seconds`; `on_unavailable` is called each time that Redis did not do its part."""

    def __init__(
        self, url: str, *, seconds: float, memory: MemoryCache, on_unavailable: Callable[[], None]
    ) -> None:
        self._redis = _client(url)
        self._milliseconds = max(1, round(seconds * 1000))
        self._memory, self._on_unavailable = memory, on_unavailable
        self._rest_until = 0.0

    def logits(self, key: str, compute: Callable[[], Logits]) -> tuple[Logits, bool]:
        """The logits (1, K), float32, read-only, and whether this process or another knew them.

        Of a process's threads that ask for one key at a time, one asks Redis and computes.
        """
        known = True

        def read_or_compute() -> Logits:
            nonlocal known
            stored = self._ask(lambda: self._read(key))
            if stored is not None:
                return stored
            known = False
            logits = compute()
            self._ask(lambda: self._write(key, logits))
            return logits

        return self._memory.logits(key, read_or_compute)[0], known

    def keep(self, digests: Collection[str]) -> None:
        """Forgets, in this process, the answers of every bundle but these; Redis' own expire."""
        self._memory.keep(digests)

    def _ask(self, question: Callable[[], T]) -> T | None:
        """What Redis says; None while it rests, or where it fails and is to rest from now on."""
        if time.monotonic() < self._rest_until:
            return None
        try:
            return question()
        except Exception as error:  # whatever Redis, its client or the network do: the service computes
            self._rest_until = time.monotonic() + REST_SECONDS
            self._on_unavailable()
            logger.warning("Redis is left alone for %g s: %s", REST_SECONDS, error)
            return None

    def _read(self, key: str) -> Logits | None:
        # Not `get`, which is an error where the key holds another type than text.
        return decode(key, self._redis.mget([PREFIX + key])[0])

    def _write(self, key: str, logits: Logits) -> None:
        self._redis.set(PREFIX + key, encode(key, logits), px=self._milliseconds)


def _client(url: str) -> Redis:
    """Connects when it is first asked; ConfigError, without the URL and its password, where it is none."""
    try:
        # from_url, unlike Redis(), tries nothing twice.
        return Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
    except ValueError:
        raise ConfigError(
            "SIGHTLINE_REDIS_URL is not the URL of a Redis: redis://[[USER]:PASSWORD@]HOST[:PORT][/NUMBER],"
            " the same with rediss:// for TLS, or unix://PATH is allowed; change or unset the variable"
        ) from None


def encode(key: str, logits: Logits) -> bytes:
    """Logits (1, K) as little-endian float32, behind a CRC-32 of the key and of them."""
    numbers = logits.astype("<f4").tobytes()
    return _checksum(key, numbers) + numbers


def decode(key: str, value: object) -> Logits | None:
    """Logits (1, K), read-only; None of a value that is absent, damaged, or not of this key.

    The checksum answers for the length too, and for a connection that gives another question's reply.
    """
    if not isinstance(value, bytes) or len(value) <= CHECKSUM_BYTES:
        return None
    checksum, numbers = value[:CHECKSUM_BYTES], value[CHECKSUM_BYTES:]
    return np.frombuffer(numbers, "<f4")[None] if checksum == _checksum(key, numbers) else None


def _checksum(key: str, numbers: bytes) -> bytes:
    return zlib.crc32(numbers, zlib.crc32(key.encode())).to_bytes(CHECKSUM_BYTES, "little")

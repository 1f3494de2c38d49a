"""Repeated queries in Redis: a real server, damaged values, and its death, which nobody is to notice."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.caching import redis_store as redis_cache
from serving.caching.memory import MemoryCache
from serving.caching.redis_store import PREFIX, RedisCache, decode, encode
from vision.errors import ConfigError

LOGITS = np.array([[0.5, -2.0, 7.25]], np.float32)
OTHER = np.array([[1.0, 2.0, 3.0]], np.float32)
PROGRAM = shutil.which("redis-server")

needs_redis = pytest.mark.skipif(PROGRAM is None, reason="needs the program redis-server")


@dataclass
class Server:
    """A redis-server on a free port; its URL gives a busy machine more time than the cache would."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}?socket_timeout=10&socket_connect_timeout=10"

    def start(self, *options: str) -> None:
        command = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                try:
                    client.ping()
                    return
                except redis.exceptions.ConnectionError:
                    time.sleep(0.02)
        pytest.fail("redis-server did not start within 20 s")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = Server(tmp_path, probe.getsockname()[1])
    server.start()
    yield server
    server.kill()


@pytest.fixture
def stored(server) -> Iterator[redis.Redis]:
    """A client that sees what the server holds."""
    with redis.Redis(port=server.port) as client:
        yield client


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def new_worker(events) -> Callable[[str], RedisCache]:
    """Makes caches that share nothing but Redis, as those of several processes."""

    def make(url: str) -> RedisCache:
        memory = MemoryCache(1, 3600)
        return RedisCache(
            url, seconds=60, memory=memory, on_unavailable=lambda: events.append("cache_unavailable")
        )

    return make


def unexpected() -> np.ndarray:
    pytest.fail("computed, though the logits are known")


@needs_redis
def test_another_worker_knows_what_one_computed(server, new_worker) -> None:
    assert new_worker(server.url).logits("a-1", lambda: LOGITS)[1] is False

    logits, known = new_worker(server.url).logits("a-1", unexpected)

    assert known is True
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(logits, LOGITS)


@needs_redis
def test_an_answer_is_asked_of_redis_once_and_then_remembered(server, new_worker) -> None:
    worker = new_worker(server.url)
    worker.logits("a-1", lambda: LOGITS)
    server.kill()

    assert worker.logits("a-1", unexpected)[1] is True


@needs_redis
def test_redis_forgets_by_itself(server, stored, new_worker) -> None:
    new_worker(server.url).logits("a-1", lambda: LOGITS)

    assert 50_000 < stored.pttl(PREFIX + "a-1") <= 60_000


@needs_redis
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\0\0\0\0",
        b"another program's",
        encode("a-1", LOGITS)[:-4],
        encode("a-1", LOGITS)[:-1] + b"\xff",
        encode("a-2", LOGITS),
    ],
    ids=["empty", "nothing", "foreign", "cut", "flipped", "another key's"],
)
def test_a_damaged_value_is_computed_and_replaced(server, stored, new_worker, events, value) -> None:
    stored.set(PREFIX + "a-1", value)

    logits, known = new_worker(server.url).logits("a-1", lambda: LOGITS)

    assert known is False
    np.testing.assert_array_equal(logits, LOGITS)
    assert new_worker(server.url).logits("a-1", unexpected)[1] is True
    assert events == []


@needs_redis
def test_a_list_in_the_place_of_a_value_is_replaced(server, stored, new_worker, events) -> None:
    stored.rpush(PREFIX + "a-1", "one", "two")

    assert new_worker(server.url).logits("a-1", lambda: LOGITS)[1] is False
    assert new_worker(server.url).logits("a-1", unexpected)[1] is True
    assert events == []


@needs_redis
def test_its_death_is_counted_once_and_changes_no_answer(server, new_worker, events) -> None:
    worker = new_worker(server.url)
    worker.logits("a-0", lambda: LOGITS)
    server.kill()

    for image in range(1, 50):
        expected = np.full((1, 3), image, np.float32)
        logits, known = worker.logits(f"a-{image}", lambda expected=expected: expected)
        assert known is False
        np.testing.assert_array_equal(logits, expected)
    assert events == ["cache_unavailable"]


@needs_redis
def test_it_is_killed_and_comes_back_under_load(server, new_worker, events, monkeypatch) -> None:
    monkeypatch.setattr(redis_cache, "REST_SECONDS", 0.1)
    worker, done = new_worker(server.url), threading.Event()

    def ask(thread: int) -> int:
        image = 0
        while not done.is_set():
            image += 1
            expected = np.full((1, 3), image % 100, np.float32)
            logits, _ = worker.logits(f"{thread}-{image}", lambda expected=expected: expected)
            np.testing.assert_array_equal(logits, expected)
        return image

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, thread) for thread in range(3)]
        try:
            time.sleep(0.3)
            server.kill()
            time.sleep(0.3)
            server.start()
            time.sleep(0.3)
        finally:
            done.set()

    assert min(future.result() for future in asking) > 0
    assert events
    time.sleep(0.2)  # it has rested
    worker.logits("after-1", lambda: LOGITS)
    assert new_worker(server.url).logits("after-1", unexpected)[1] is True


@needs_redis
def test_a_late_reply_reaches_nobody(server, new_worker, events, monkeypatch) -> None:
    writer, worker = new_worker(server.url), new_worker(server.url.replace("timeout=10", "timeout=0.5"))
    for key, logits in (("a-1", LOGITS), ("a-2", OTHER)):
        writer.logits(key, lambda logits=logits: logits)
    worker.logits("a-0", lambda: LOGITS)  # connects
    server.process.send_signal(signal.SIGSTOP)
    assert worker.logits("a-1", lambda: LOGITS)[1] is False
    server.process.send_signal(signal.SIGCONT)  # now it replies to the question for a-1
    monkeypatch.setattr(worker, "_rest_until", 0.0)

    np.testing.assert_array_equal(worker.logits("a-2", lambda: OTHER)[0], OTHER)
    assert events == ["cache_unavailable"]


def test_one_that_never_replies_costs_a_moment(new_worker, events) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        worker = new_worker(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        begin = time.monotonic()

        asked = [worker.logits(f"a-{image}", lambda: LOGITS)[1] for image in range(20)]

        assert time.monotonic() - begin < 2  # once 0.05 s; the client's own limit would be 5 s
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # it was not tried twice
            silent.accept()
    assert (asked, events) == ([False] * 20, ["cache_unavailable"])


@needs_redis
def test_one_that_is_full_is_no_error(server, stored, new_worker, events) -> None:
    stored.config_set("maxmemory", "1")

    logits, known = new_worker(server.url).logits("a-1", lambda: LOGITS)

    assert (logits.tolist(), known, events) == (LOGITS.tolist(), False, ["cache_unavailable"])


@pytest.mark.parametrize("query", ["", "?no_such_option=1"])
def test_one_that_was_never_there_is_no_error(new_worker, events, query) -> None:
    worker = new_worker(f"redis://127.0.0.1:1{query}")

    assert [worker.logits("a-1", lambda: LOGITS)[1] for _ in range(3)] == [False, True, True]
    assert events == ["cache_unavailable"]


def test_a_stampede_computes_once_without_redis_too(new_worker) -> None:
    worker, together, computed = new_worker("redis://127.0.0.1:1"), threading.Barrier(8), []

    def compute() -> np.ndarray:
        computed.append(1)
        time.sleep(0.1)  # all the others have asked by now
        return LOGITS

    def ask(_: int) -> bool:
        together.wait()
        return worker.logits("a-1", compute)[1]

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == [False] + [True] * 7
    assert len(computed) == 1


def test_what_cannot_be_computed_is_the_askers_error_and_not_redis(new_worker, events, monkeypatch) -> None:
    worker = new_worker("redis://127.0.0.1:1")
    monkeypatch.setattr(worker, "_rest_until", float("inf"))

    with pytest.raises(ZeroDivisionError):
        worker.logits("a-1", lambda: 1 / 0)

    assert events == []


@pytest.mark.parametrize("url", ["http://user:secret@host", "redis://user:secret@host:secret", "secret", ""])
def test_another_url_is_refused_without_its_password(url) -> None:
    with pytest.raises(ConfigError, match="SIGHTLINE_REDIS_URL") as raised:
        RedisCache(url, seconds=60, memory=MemoryCache(1, 60), on_unavailable=lambda: None)

    assert "secret" not in str(raised.value)


@settings(deadline=None)
@given(arrays.arrays(np.float32, st.tuples(st.just(1), st.integers(1, 20))), st.text(max_size=20))
def test_logits_come_back_bit_by_bit(logits, key) -> None:
    decoded = decode(key, encode(key, logits))

    assert decoded is not None and decoded.shape == logits.shape
    assert decoded.tobytes() == logits.tobytes()


@settings(deadline=None)
@given(st.integers(0, 15), st.integers(1, 255))
def test_one_changed_byte_is_noticed(place, change) -> None:
    value = bytearray(encode("a-1", LOGITS))
    value[place] ^= change

    assert decode("a-1", bytes(value)) is None


@settings(deadline=None)
@given(st.none() | st.binary(max_size=30) | st.text())
def test_anything_else_is_a_miss(value) -> None:
    assert decode("a-1", value) is None

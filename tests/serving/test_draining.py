"""SIGTERM: what was begun is answered, nothing new is taken."""

from __future__ import annotations

import io
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

REQUESTS = 24


@pytest.fixture(scope="module")
def large_image() -> bytes:
    """A small file that takes tens of milliseconds to decode."""
    buffer = io.BytesIO()
    tile = np.random.default_rng(1).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    Image.fromarray(np.tile(tile, (10, 10, 1))).save(buffer, "PNG")
    return buffer.getvalue()


def test_requests_under_way_are_answered_after_sigterm(registry, start_service, large_image) -> None:
    registry.promote(1)
    service = start_service(SIGHTLINE_HOME=registry.workspace.root, SIGHTLINE_CACHE_MEGABYTES=0)
    service.wait_ready()

    with ThreadPoolExecutor(REQUESTS) as pool:
        asked: list[Future[httpx.Response]] = [
            pool.submit(service.classify, large_image) for _ in range(REQUESTS)
        ]
        while not any(future.done() for future in asked):
            time.sleep(0.01)
        waiting = sum(not future.done() for future in asked)
        service.process.send_signal(signal.SIGTERM)
        statuses = [future.result().status_code for future in asked]

    assert waiting > REQUESTS / 2  # else this test shows nothing
    assert statuses == [200] * REQUESTS
    assert service.process.wait(timeout=15) == 0
    with pytest.raises(httpx.ConnectError):
        service.client.get("/livez")

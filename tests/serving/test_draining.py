"""SIGTERM: what was begun is answered, nothing new is taken."""

from __future__ import annotations

import io
import select
import signal
from contextlib import ExitStack, closing
from http.client import HTTPConnection

import httpx
import numpy as np
import pytest
from PIL import Image

REQUESTS = 24
RAW = {"content-type": "image/png"}


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

    with ExitStack() as opened:
        *connections, late = (
            opened.enter_context(closing(HTTPConnection("127.0.0.1", service.port)))
            for _ in range(REQUESTS + 1)
        )
        late.connect()
        for connection in connections:
            connection.request("POST", "/v1/classify", large_image, RAW)
        answered, _, _ = select.select([connection.sock for connection in connections], (), (), 30)
        service.process.send_signal(signal.SIGTERM)
        late.request("POST", "/v1/classify", large_image, RAW)
        statuses = [connection.getresponse().status for connection in (*connections, late)]

    assert 1 <= len(answered) < REQUESTS / 2  # else this test shows nothing
    assert statuses == [200] * (REQUESTS + 1)
    assert service.process.wait(timeout=15) == 0
    with pytest.raises(httpx.ConnectError):
        service.client.get("/livez")

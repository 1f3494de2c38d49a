"""The end of a process: who has connected is answered before nobody can any more.

uvicorn stops listening at once when it is told to end. The kernel has then accepted connections of which the
event loop, which takes one of them a turn, knows nothing: under load a fifth of those that ask are reset.
"""

from __future__ import annotations

import asyncio
import select
import socket
import time

import uvicorn

# For those that keep coming: a balancer that has not heard yet.
MAX_SECONDS = 1.0
PAUSE_SECONDS = 0.005


class DrainingServer(uvicorn.Server):
    """Goes on accepting, for a second at most, until nobody waits."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        until = time.monotonic() + MAX_SECONDS
        while time.monotonic() < until and _somebody_waits(sockets or []):
            await asyncio.sleep(PAUSE_SECONDS)
        await super().shutdown(sockets)


def use_draining_server() -> None:
    """Has BentoML, which makes uvicorn's server itself, make this one."""
    uvicorn.Server = DrainingServer  # type: ignore[misc]


def _somebody_waits(listening: list[socket.socket]) -> bool:
    return bool(select.select(listening, (), (), 0)[0])

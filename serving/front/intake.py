"""How much of requests' bodies is held in memory, all together.

One body is bounded by SIGHTLINE_MAX_BODY_BYTES; a hundred clients that each send nearly as much, slowly,
would still fill the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Message, Receive

from serving.answers import RequestError

# Bodies of the largest size: 160 MB unless SIGHTLINE_MAX_BODY_BYTES says otherwise.
LARGEST_BODIES = 8


class Intake:
    """Room for `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes

    @contextmanager
    def counting(self, receive: Receive) -> Iterator[Receive]:
        """What receives in its place: RequestError (429) where the bytes find no room.

        Their room is given back when the context ends: until then the request may hold them.
        """
        held = 0

        async def counted() -> Message:
            nonlocal held
            message = await receive()
            size = len(message.get("body", b""))
            if size > self._room:
                reason = "too many large requests are being answered: try again in 1 s"
                raise RequestError(429, "overloaded", reason, headers={"retry-after": "1"})
            self._room -= size
            held += size
            return message

        try:
            yield counted
        finally:
            self._room += held

"""WebSocket /v1/live: frames in, answers out, in order; of the frames that wait only the newest is kept.

A camera is faster than a model. What it saw a second ago is of no use to anybody, so that a frame which comes
while another is being answered replaces the one that waits, and the next answer names those left out. Keys
and origins are gate.py's matter: it sees the connection before this route does.
"""

from __future__ import annotations

import asyncio
import contextlib

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from serving.answers import RequestError
from serving.engine import Engine
from serving.routes.batch import answer_image, error_json
from serving.routes.classify import DEFAULT_TOP_K

# Longer than this without a frame: the client is gone, or has forgotten the connection.
IDLE_SECONDS = 60.0
# A photograph of a telephone; a frame of its camera is a tenth of that.
MAX_FRAME_BYTES = 4_000_000
MAX_OPTIONS_CHARACTERS = 1000
# The closing frame waits behind answers that nobody reads.
CLOSE_SECONDS = 1.0
# RFC 6455, 7.4.1, and IANA's registry of close codes.
IDLE, TOO_LARGE, TRY_AGAIN_LATER = 1000, 1009, 1013

router = APIRouter()


class Options(BaseModel):
    """What a text frame may set, for the frames after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_k: int = Field(DEFAULT_TOP_K, ge=1)


class Closed(Exception):
    """The conversation is to end with that code, for that reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@router.websocket("/v1/live")
async def live(websocket: WebSocket) -> None:
    """{"frame": 3, "dropped": [2], ...} for each frame that is answered; the first frame is 1."""
    await websocket.accept()  # a browser is told the code of a close only after it
    engine: Engine = websocket.app.state.engine
    places: asyncio.Semaphore = websocket.app.state.live
    try:
        if places.locked():
            raise Closed(TRY_AGAIN_LATER, "all SIGHTLINE_LIVE_CONNECTIONS are in use: try again later")
        async with places:
            await Conversation(websocket, engine).hold()
    except Closed as end:
        with contextlib.suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(CLOSE_SECONDS):
                await websocket.close(end.code, end.reason)


class Conversation:
    """One connection: a task listens, another answers the newest frame that has been heard."""

    def __init__(self, websocket: WebSocket, engine: Engine) -> None:
        self._websocket, self._engine = websocket, engine
        self._max_bytes = min(MAX_FRAME_BYTES, engine.settings.max_body_bytes)
        self._options = Options()
        self._heard, self._newest = 0, b""
        self._is_waiting = asyncio.Event()

    async def hold(self) -> None:
        """Returns when the client has left; Closed where it has to go."""
        tasks = [asyncio.create_task(each) for each in (self._listen(), self._answer())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect):
                raise end

    async def _listen(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    message = await self._websocket.receive()
            except TimeoutError:
                raise Closed(IDLE, f"no frame within {IDLE_SECONDS:g} seconds") from None
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is not None:
                self._take_frame(message["bytes"])
            else:
                await self._set_options(message["text"])

    def _take_frame(self, data: bytes) -> None:
        if len(data) > self._max_bytes:
            raise Closed(TOO_LARGE, f"a frame of {len(data)} bytes: at most {self._max_bytes} are allowed")
        self._heard, self._newest = self._heard + 1, data
        self._is_waiting.set()

    async def _set_options(self, text: str) -> None:
        try:
            self._options = Options.model_validate_json(text[:MAX_OPTIONS_CHARACTERS])
        except ValidationError:
            message = (
                'a text frame sets options: {"top_k": 3} is allowed, a whole number from 1; images are binary'
            )
            await self._send(error_json("bad_options", message))

    async def _answer(self) -> None:
        answered = 0
        while True:
            await self._is_waiting.wait()
            self._is_waiting.clear()
            number, data = self._heard, self._newest
            content = await self._classify(data)
            await self._send({"frame": number, "dropped": list(range(answered + 1, number)), **content})
            answered = number

    async def _classify(self, data: bytes) -> dict[str, object]:
        """By the version that is to answer now: a promotion needs no new connection."""
        try:
            served = self._engine.fleet.choose(self._websocket)
        except RequestError as refusal:
            return error_json(refusal.code, refusal.message)
        # A camera never sends the same bytes again: remembering them would only displace what is asked again.
        return await answer_image(
            self._engine, served, lambda: data, top_k=self._options.top_k, use_cache=False
        )

    async def _send(self, content: dict[str, object]) -> None:
        await self._websocket.send_text(orjson.dumps(content).decode())

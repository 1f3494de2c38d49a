"""The encoded image that a request carries: multipart field, raw body or base64 in JSON.

Reading is bounded and happens on the event loop; taking the image out of what was read is work for a
thread.
"""

from __future__ import annotations

import asyncio
import base64
import json

from starlette.requests import Request

from serving.answers import RequestError
from serving.received.multipart import field_contents

FIELD = "image"
ALLOWED = (
    "send multipart/form-data with a field named image, a raw body of type image/* or"
    ' application/octet-stream, or application/json {"image": "<base64>"}'
)


def content_kind(request: Request) -> str:
    """One of multipart, json, raw; RequestError (415) for any other content type or a compressed body."""
    received = request.headers.get("content-type", "")
    media_type = received.partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError(
            415, "unsupported_type", "compressed bodies are not read: send no Content-Encoding"
        )
    if media_type == "multipart/form-data":
        return "multipart"
    if media_type == "application/json":
        return "json"
    if media_type.startswith("image/") or media_type == "application/octet-stream":
        return "raw"
    raise RequestError(415, "unsupported_type", f'content type "{received[:100]}": {ALLOWED}')


async def read_body(request: Request, *, max_bytes: int, seconds: float) -> bytes:
    """The request's body; RequestError with 413 before more than `max_bytes` are held, with 408 when late."""
    declared = request.headers.get("content-length", "")
    # More than 18 digits are no size, and int() fails at 4,300.
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > max_bytes):
        raise _too_large(f"{declared[:18]} bytes", max_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(f"more than {max_bytes} bytes", max_bytes)
                if chunk:
                    chunks.append(chunk)
    except TimeoutError:
        message = f"{size} bytes arrived in {seconds:g} seconds: send the whole request within them"
        raise RequestError(408, "too_slow", message) from None
    return b"".join(chunks)  # of one it makes no copy


def _too_large(received: str, max_bytes: int) -> RequestError:
    message = f"body of {received}: at most {max_bytes} are allowed; the server's SIGHTLINE_MAX_BODY_BYTES"
    return RequestError(413, "body_too_large", message)


def take_image(kind: str, content_type: str, body: bytes) -> bytes:
    """The image's encoded bytes; RequestError (400) where the body does not hold exactly one."""
    if kind == "multipart":
        return _from_multipart(content_type, body)
    return _from_json(body) if kind == "json" else body


def _from_json(body: bytes) -> bytes:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "bad_json", f"the body is not JSON ({str(error)[:100]}): {ALLOWED}") from None
    if not isinstance(content, dict) or not isinstance(content.get(FIELD), str):
        raise RequestError(400, "bad_json", 'the body must be {"image": "<base64>"}, the image a string')
    if unknown := sorted(content.keys() - {FIELD}):
        message = f'unknown field "{unknown[0][:50]}": only image is allowed; top_k is a query parameter'
        raise RequestError(400, "bad_json", message)
    try:
        # `base64 FILE` breaks its lines, which is as good as unbroken.
        return base64.b64decode("".join(content[FIELD].split()), validate=True)
    except ValueError as error:
        message = f"image is not base64 ({error}): send the plain base64 text, without a data: prefix"
        raise RequestError(400, "bad_base64", message) from None


def _from_multipart(content_type: str, body: bytes) -> bytes:
    images = field_contents(content_type, body, FIELD)
    if len(images) > 1:
        raise RequestError(400, "several_images", f"{len(images)} fields named image: send one a request")
    if not images:
        raise RequestError(400, "missing_image", f"no field named image: {ALLOWED}")
    return images[0]

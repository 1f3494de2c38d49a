"""A small JSON body as a value of its schema."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from serving.answers import RequestError
from serving.received.upload import content_kind, read_body

Content = TypeVar("Content", bound=BaseModel)

MAX_BYTES = 64 * 1024


async def read_json(request: Request, schema: type[Content], *, code: str, seconds: float) -> Content:
    """RequestError: 415 for another content type, 400 with that code and the place where it does not fit."""
    if content_kind(request) != "json":
        raise RequestError(415, "unsupported_type", "send application/json")
    body = await read_body(request, max_bytes=MAX_BYTES, seconds=seconds)
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))[:100] or "the body"
        raise RequestError(400, code, f"{place}: {problem['msg'][:300]}") from None

"""POST /v1/classify: one image, by the version that the traffic rules choose."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.answers import RequestError, describe, json_response
from serving.classified import Classified
from serving.engine import Engine
from serving.received.upload import content_kind, read_body, take_image
from serving.schemas.answers import REQUEST, Classification, error_descriptions
from serving.versions.champion import Served
from serving.workers import Workers

DEFAULT_TOP_K = 5

router = APIRouter()


@router.post(
    "/v1/classify",
    summary="Classify one image",
    tags=["Sightline"],
    response_class=Response,
    responses={200: {"model": Classification, "description": "The answer"}, **error_descriptions()},
    openapi_extra=REQUEST,
)
async def classify(request: Request) -> Response:
    """The champion's class, or labels, of one image: JPEG, PNG, WebP, BMP, GIF (first frame) or TIFF."""
    engine: Engine = request.app.state.engine
    return await answer_one(request, engine, engine.fleet.choose(request))


async def answer_one(request: Request, engine: Engine, served: Served) -> Response:
    """That version's answer for the image that the request carries."""
    top_k = wanted_top_k(request, len(served.classifier.class_names))
    read = await receive_image(request, engine, engine.workers)
    return json_response(await answer(engine, served, read, top_k=top_k, use_cache=wants_cache(request)))


async def receive_image(request: Request, engine: Engine, workers: Workers) -> Callable[[], bytes]:
    """What gives the encoded image, in a thread; RequestError 429, before reading, where there is no room."""
    kind = content_kind(request)
    workers.check_room()
    limits, content_type = engine.settings, request.headers["content-type"]
    body = await read_body(request, max_bytes=limits.max_body_bytes, seconds=limits.body_seconds)
    kind, body = await request.app.state.url_images.follow(kind, body)
    return partial(take_image, kind, content_type, body)


async def answer(
    engine: Engine, served: Served, read: Callable[[], bytes], *, top_k: int, use_cache: bool
) -> dict[str, object]:
    """The answer as JSON has it; `read` gives the encoded image, in the thread that looks at it."""
    asked = perf_counter()

    def work() -> dict[str, object]:
        begin = perf_counter()
        classified = engine.classify(served, read(), use_cache=use_cache)
        seconds = {"queue": begin - asked, **classified.seconds, "total": perf_counter() - asked}
        engine.metrics.observe(seconds)
        return as_json(classified, top_k) | {"milliseconds": in_milliseconds(seconds)}

    return await engine.workers.run(work)


def as_json(classified: Classified, top_k: int) -> dict[str, object]:
    """The answer without its times."""
    served = classified.served
    return {
        "id": classified.id,
        "model": served.pointer.model,
        "version": served.pointer.version,
        "arm": served.arm,
        **describe(served.classifier, classified.judgement, classified.names, top_k),
        "cached": classified.cached,
    }


def in_milliseconds(seconds: dict[str, float]) -> dict[str, float]:
    return {phase: round(value * 1000, 3) for phase, value in seconds.items()}


def wants_cache(request: Request) -> bool:
    """False where the client wants the image looked at anew (RFC 9111, 5.2.1.4)."""
    return "no-cache" not in request.headers.get("cache-control", "").lower()


def wanted_top_k(request: Request, num_classes: int) -> int:
    """How many classes the answer is to list; RequestError (400) where that is no number of classes."""
    received = request.query_params.get("top_k")
    if received is None:
        return min(DEFAULT_TOP_K, num_classes)
    # isdecimal alone takes other scripts' digits, and int() takes any length.
    is_number = received.isascii() and received.isdecimal() and len(received) < 7
    if is_number and 1 <= int(received) <= num_classes:
        return int(received)
    message = f'top_k "{received[:20]}": a whole number from 1 to {num_classes} is allowed'
    raise RequestError(400, "bad_top_k", message)

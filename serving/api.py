"""The routes: POST /v1/classify, /metrics, and the page at /.

A FastAPI app, so that BentoML shows its routes in /docs.json; the handlers take the raw request and
give back a response, so that nothing is validated twice and no request is parsed into memory unbounded.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serving.answers import CODES, RequestError, describe, error_response, json_response, named_classes
from serving.champion import Champion, Served
from serving.metrics import Metrics
from serving.page import PAGE
from serving.schema import REQUEST, Classification, error_descriptions
from serving.settings import Settings
from serving.upload import content_kind, read_body, take_image
from vision.errors import ImageError, ImageTooLarge

DEFAULT_TOP_K = 5


@dataclass(frozen=True)
class Engine:
    """What the handlers work with; service.py puts it into `app.state.engine`."""

    settings: Settings
    champion: Champion
    metrics: Metrics
    pool: ThreadPoolExecutor


app = FastAPI(
    title="Sightline",
    version="1",
    summary="Image classification by the champion of the registry",
    docs_url=None,
    redoc_url=None,
    openapi_url="/openapi.json",
)


@app.post(
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
    served = engine.champion.served
    if served is None:
        raise RequestError(503, "not_ready", engine.champion.reason)
    kind, top_k = content_kind(request), _top_k(request, len(served.classifier.class_names))
    limits = engine.settings
    body = await read_body(request, max_bytes=limits.max_body_bytes, seconds=limits.body_seconds)
    content_type = request.headers["content-type"]
    started = perf_counter()

    def answer() -> Response:
        return _answer(engine, served, take_image(kind, content_type, body), top_k=top_k, started=started)

    try:
        async with asyncio.timeout(limits.answer_seconds):
            return await asyncio.get_running_loop().run_in_executor(engine.pool, answer)
    except TimeoutError:
        raise RequestError(504, "timeout", f"no answer within {limits.answer_seconds:g} seconds") from None


def _answer(engine: Engine, served: Served, data: bytes, *, top_k: int, started: float) -> Response:
    begin = perf_counter()
    pixels = served.classifier.preprocessing.apply(data)
    decoded = perf_counter()
    judgement = served.classifier.judge(served.classifier.logits(pixels[None]))
    end = perf_counter()
    names = named_classes(served.classifier, judgement.probabilities[0])
    seconds = {"decode": decoded - begin, "infer": end - decoded, "total": end - started}
    engine.metrics.observe(seconds)
    engine.metrics.count_prediction(served.pointer, names)
    return json_response(
        {
            "model": served.pointer.model,
            "version": served.pointer.version,
            **describe(served.classifier, judgement, names, top_k),
            "milliseconds": {phase: round(value * 1000, 3) for phase, value in seconds.items()},
        }
    )


def _top_k(request: Request, num_classes: int) -> int:
    received = request.query_params.get("top_k")
    if received is None:
        return min(DEFAULT_TOP_K, num_classes)
    # isdecimal alone takes other scripts' digits, and int() takes any length.
    is_number = received.isascii() and received.isdecimal() and len(received) < 7
    if is_number and 1 <= int(received) <= num_classes:
        return int(received)
    message = f'top_k "{received[:20]}": a whole number from 1 to {num_classes} is allowed'
    raise RequestError(400, "bad_top_k", message)


@app.get("/", include_in_schema=False)
async def index(request: Request) -> Response:
    """The API's description as a page."""
    return Response(PAGE, media_type="text/html")


@app.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Prometheus' text; BentoML's OpenAPI describes the path."""
    engine: Engine = request.app.state.engine
    text = await asyncio.to_thread(engine.metrics.text)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


@app.exception_handler(RequestError)
async def refuse(request: Request, refusal: RequestError) -> Response:
    return error_response(request, refusal)


@app.exception_handler(ImageError)
async def refuse_image(request: Request, error: ImageError) -> Response:
    if isinstance(error, ImageTooLarge):
        return error_response(request, RequestError(413, "too_many_pixels", str(error)))
    return error_response(request, RequestError(400, "not_an_image", str(error)))


@app.exception_handler(HTTPException)
async def refuse_route(request: Request, error: HTTPException) -> Response:
    code = CODES.get(error.status_code, "bad_request")
    refusal = RequestError(error.status_code, code, f"{request.method} {request.url.path}: {error.detail}")
    return error_response(request, refusal)


@app.exception_handler(ClientDisconnect)
async def forget(request: Request, error: ClientDisconnect) -> Response:
    """Nobody reads this answer; without it the log would hold a traceback for every client that leaves."""
    return error_response(request, RequestError(400, "bad_request", "the client left early"))

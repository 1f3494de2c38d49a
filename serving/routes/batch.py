"""POST /v1/classify/batch: many images in one request, answered in order, each by an answer or an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serving.answers import RequestError, json_response
from serving.engine import Engine
from serving.received.archive import SentFile, archived_files, is_archive, too_many_files
from serving.received.multipart import MAX_PARTS, field_parts
from serving.received.upload import FIELD, content_kind, read_body
from serving.routes.classify import answer, wanted_top_k, wants_cache
from serving.schemas.answers import error_descriptions
from serving.schemas.batch import BATCH_REQUEST, Batch
from serving.versions.champion import Served
from vision.errors import ImageError, ImageTooLarge

# Batches at a time: each keeps all threads busy, and more would only fill the queue before single images.
AT_ONCE = 4
# Images of a request that may be in the queue, times the threads: what a single image has to wait for.
IMAGES_A_THREAD = 2
ZIP_TYPES = ("application/zip", "application/x-zip-compressed")
ALLOWED = f"send multipart/form-data with fields named image, or {ZIP_TYPES[0]}"

router = APIRouter()


@router.post(
    "/v1/classify/batch",
    summary="Classify many images",
    tags=["Sightline"],
    response_class=Response,
    responses={200: {"model": Batch, "description": "The answers, in order"}, **error_descriptions()},
    openapi_extra=BATCH_REQUEST,
)
async def classify_batch(request: Request) -> Response:
    """The champion's answer for each image of a form or a zip archive; an error of one spoils no other."""
    engine: Engine = request.app.state.engine
    places: asyncio.Semaphore = request.app.state.batches
    served, is_zip = engine.fleet.choose(request), _is_zip(request)
    top_k = wanted_top_k(request, len(served.classifier.class_names))
    engine.workers.check_room()
    if places.locked():
        message = f"{AT_ONCE} batches are being answered already: try again in 1 s"
        raise RequestError(429, "overloaded", message, headers={"retry-after": "1"})
    async with places:
        files = await _receive(request, engine, is_zip=is_zip)
        engine.metrics.batch(len(files))
        return json_response({"answers": await _answer_all(request, engine, served, files, top_k)})


async def answer_image(
    engine: Engine, served: Served, read: Callable[[], bytes], *, top_k: int, use_cache: bool
) -> dict[str, object]:
    """What /v1/classify would answer, error included; `read` gives the encoded image, in a thread."""
    try:
        return await answer(engine, served, read, top_k=top_k, use_cache=use_cache)
    except RequestError as refusal:
        return error_json(refusal.code, str(refusal))
    except ImageTooLarge as error:
        return error_json("too_many_pixels", str(error))
    except ImageError as error:
        return error_json("not_an_image", str(error))


def error_json(code: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message}}


async def _answer_all(
    request: Request, engine: Engine, served: Served, files: list[SentFile], top_k: int
) -> list[dict[str, object]]:
    """Group by group, so that images of other requests come between; RequestError (504) where it is late."""
    group, seconds = IMAGES_A_THREAD * engine.settings.threads, engine.settings.answer_seconds
    use_cache, answers = wants_cache(request), list[dict[str, object]]()

    async def answer_file(index: int) -> dict[str, object]:
        place: dict[str, object] = {"index": index, "file": files[index].name}
        return place | await answer_image(engine, served, files[index].read, top_k=top_k, use_cache=use_cache)

    try:
        async with asyncio.timeout(seconds):
            while len(answers) < len(files):
                if await request.is_disconnected():
                    raise ClientDisconnect
                indices = range(len(answers), min(len(answers) + group, len(files)))
                answers += await asyncio.gather(*map(answer_file, indices))
    except TimeoutError:
        message = (
            f"{len(answers)} of {len(files)} images were answered within {seconds:g} seconds: send fewer"
        )
        raise RequestError(504, "timeout", message) from None
    return answers


async def _receive(request: Request, engine: Engine, *, is_zip: bool) -> list[SentFile]:
    limits, content_type = engine.settings, request.headers["content-type"]
    body = await read_body(request, max_bytes=limits.max_body_bytes, seconds=limits.body_seconds)

    def open_archive(data: bytes) -> list[SentFile]:
        return archived_files(data, max_files=limits.batch_images, max_bytes=limits.max_body_bytes)

    def work() -> list[SentFile]:
        if is_zip:
            return open_archive(body)
        parts = field_parts(content_type, body, FIELD, max_parts=limits.batch_images + MAX_PARTS)
        if len(parts) == 1 and is_archive(parts[0].content):
            return open_archive(parts[0].content)
        return [SentFile(part.file, partial(bytes, part.content)) for part in parts]  # copies nothing

    files = await engine.workers.run(work)
    if not files:
        raise RequestError(400, "missing_image", f"no image in the request: {ALLOWED}")
    if len(files) > limits.batch_images:
        raise too_many_files(f"{len(files)} fields named image", limits.batch_images)
    return files


def _is_zip(request: Request) -> bool:
    """RequestError (415) where the body is neither a zip archive nor a form."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in ZIP_TYPES and "content-encoding" not in request.headers:
        return True
    if content_kind(request) != "multipart":
        raise RequestError(415, "unsupported_type", f'content type "{media_type[:100]}": {ALLOWED}')
    return False

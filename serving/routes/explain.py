"""POST /v1/explain: where in the image the model saw a class, as a picture.

An explanation costs as much as up to a hundred answers, so that it has a thread and a queue of its own: the
threads that classify never wait for one.
"""

from __future__ import annotations

import io
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from serving.answers import RequestError
from serving.engine import Engine
from serving.routes.classify import receive_image
from serving.schemas.answers import error_descriptions
from serving.schemas.batch import EXPLAIN_REQUEST, EXPLANATION
from serving.versions.champion import Served
from serving.workers import Workers
from vision.explanation import activation_maps, overlay_original

# Explanations that may wait for the one thread.
QUEUE = 8
DEFAULT_MAX_SIDE, LARGEST_SIDE = 1024, 2048
# Names that an error message lists.
FEW_NAMES = 20
# zlib's fastest: a sixth of the default's time (14 of 86 ms at 500 x 375 pixels) for a sixth more bytes.
COMPRESS_LEVEL = 1

router = APIRouter()


@router.post(
    "/v1/explain",
    summary="Show where the model saw a class",
    tags=["Sightline"],
    response_class=Response,
    responses={200: EXPLANATION, **error_descriptions()},
    openapi_extra=EXPLAIN_REQUEST,
)
async def explain(request: Request) -> Response:
    """The image as PNG with its class activation map; of the champion's class, or of the one asked for."""
    engine: Engine = request.app.state.engine
    explainers: Workers = request.app.state.explainers
    served = engine.fleet.choose(request)
    class_index, max_side = _wanted_class(request, served.classifier.class_names), _wanted_side(request)
    read = await receive_image(request, engine, explainers)
    return await explainers.run(lambda: _explain(served, read(), class_index, max_side))


def _explain(served: Served, data: bytes, class_index: int | None, max_side: int) -> Response:
    classifier = served.classifier
    images = classifier.preprocessing.apply(data)[None]
    if class_index is None:
        class_index = int(classifier.predict(images)[0].argmax())
    found = activation_maps(classifier, images, np.array([class_index]))
    lit = overlay_original(data, found.maps[0], classifier.preprocessing, max_side=max_side)
    png = io.BytesIO()
    Image.fromarray(lit).save(png, "PNG", compress_level=COMPRESS_LEVEL)
    headers = {
        # Percent-encoded: a header has no letters beyond Latin-1 (RFC 9110, 5.5), class names have.
        "x-sightline-class": quote(classifier.class_names[class_index]),
        "x-sightline-method": found.method,
        "x-sightline-version": str(served.pointer.version),
    }
    return Response(png.getvalue(), headers=headers, media_type="image/png")


def _wanted_class(request: Request, class_names: tuple[str, ...]) -> int | None:
    """Its index, or None for the most probable one; RequestError (400) for a class that there is not."""
    received = request.query_params.get("class")
    if received is None:
        return None
    if received in class_names:
        return class_names.index(received)
    names = ", ".join(class_names[:FEW_NAMES]) + (", ..." if len(class_names) > FEW_NAMES else "")
    message = f'class "{received[:100]}": one of {len(class_names)} is allowed: {names}'
    raise RequestError(400, "bad_class", message)


def _wanted_side(request: Request) -> int:
    received = request.query_params.get("max_side", str(DEFAULT_MAX_SIDE))
    # isdecimal alone takes other scripts' digits, and int() takes any length.
    is_number = received.isascii() and received.isdecimal() and len(received) < 7
    if is_number and 1 <= int(received) <= LARGEST_SIDE:
        return int(received)
    message = f'max_side "{received[:20]}": a whole number from 1 to {LARGEST_SIDE} is allowed'
    raise RequestError(400, "bad_max_side", message)

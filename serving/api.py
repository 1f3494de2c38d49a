"""The service's API: the routes of routes/, and how errors are answered.

A FastAPI app, so that BentoML shows its routes in /docs.json; the handlers take the raw request and
give back a response, so that nothing is validated twice and no request is parsed into memory unbounded.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.answers import CODES, RequestError, error_response
from serving.routes import batch, classify, explain, feedback, live, models, page
from vision.errors import ImageError, ImageTooLarge

app = FastAPI(
    title="Sightline",
    version="1",
    summary="Image classification by the champion of the registry",
    docs_url=None,
    redoc_url=None,
    openapi_url="/openapi.json",
)
for routes in (classify, batch, explain, feedback, live, models, page):
    app.include_router(routes.router)


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


async def classify_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    """POST /v1/classify without FastAPI's layers, which take a third of the event loop's time for it."""
    scope["app"], scope["route"] = app, classify.router.routes[0]
    answer = await classify.classify(Request(scope, receive, send))
    await answer(scope, receive, send)


# For the Edge, by method and path.
QUICK = {("POST", "/v1/classify"): ExceptionMiddleware(classify_at_once, app.exception_handlers)}

"""POST /v1/feedback: what the image of an answer really shows."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from registry.prediction_rows import Answered
from serving.answers import RequestError, json_response
from serving.engine import Engine
from serving.observers.feedback import FeedbackDesk
from serving.received.upload import content_kind, read_body
from serving.schemas.answers import error_descriptions
from serving.schemas.feedback import REQUEST, UNKNOWN, FeedbackAnswer, FeedbackRequest

MAX_BYTES = 64 * 1024

router = APIRouter()


@router.post(
    "/v1/feedback",
    summary="Say what an image really shows",
    tags=["Sightline"],
    status_code=202,
    response_class=Response,
    responses={
        202: {"model": FeedbackAnswer, "description": "It is taken"},
        **UNKNOWN,
        **error_descriptions(),
    },
    openapi_extra=REQUEST,
)
async def feedback(request: Request) -> Response:
    """Compared with the answer, and kept for those who train the model. The last word on an id counts."""
    engine: Engine = request.app.state.engine
    desk: FeedbackDesk | None = getattr(request.app.state, "feedback", None)
    if desk is None:
        message = (
            "this server keeps no log of its answers: set SIGHTLINE_LOG_PREDICTIONS=true, and SIGHTLINE_HOME"
            " where it is a Bento"
        )
        raise RequestError(404, "feedback_off", message)
    said = await _read(request, engine.settings.body_seconds)
    was = desk.recent(said.id)
    if was is None:
        was = await engine.workers.run(partial(desk.find, said.id))
    key = getattr(request.state, "key_id", "")  # the gate has put it there
    right = desk.judge(said.id, was, truth=_truth(said, was), comment=said.comment, key=key)
    return json_response({"id": said.id, "right": right}, 202)


async def _read(request: Request, seconds: float) -> FeedbackRequest:
    if content_kind(request) != "json":
        raise RequestError(415, "unsupported_type", "send application/json")
    body = await read_body(request, max_bytes=MAX_BYTES, seconds=seconds)
    try:
        return FeedbackRequest.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"])[:100] or "the body"
        raise RequestError(400, "bad_feedback", f"{place}: {problem['msg'][:300]}") from None


def _truth(said: FeedbackRequest, was: Answered) -> tuple[str, ...]:
    """The classes that the feedback names, in the form that the model's task asks for."""
    if was.task == "multi_label" and said.labels is not None:
        return said.labels
    if was.task == "multi_class" and said.label is not None:
        return (said.label,)
    asked = '"label", its one class' if was.task == "multi_class" else '"labels", all that the image has'
    raise RequestError(400, "bad_feedback", f"{was.pointer.model} is {was.task}: give {asked}")

"""POST /v1/feedback: what the image of an answer really shows."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from registry.prediction_rows import Answered
from serving.answers import RequestError, json_response
from serving.engine import Engine
from serving.observers.feedback import FeedbackDesk
from serving.received.json_body import read_json
from serving.schemas.answers import error_descriptions
from serving.schemas.feedback import REQUEST, UNKNOWN, FeedbackAnswer, FeedbackRequest

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
    said = await read_json(
        request, FeedbackRequest, code="bad_feedback", seconds=engine.settings.body_seconds
    )
    was = desk.recent(said.id)
    if was is None:
        was = await engine.workers.run(partial(desk.find, said.id))
    key = getattr(request.state, "key_id", "")  # the gate has put it there
    right = desk.judge(said.id, was, truth=_truth(said, was), comment=said.comment, key=key)
    return json_response({"id": said.id, "right": right}, 202)


def _truth(said: FeedbackRequest, was: Answered) -> tuple[str, ...]:
    """The classes that the feedback names, in the form that the model's task asks for."""
    if was.task == "multi_label" and said.labels is not None:
        return said.labels
    if was.task == "multi_class" and said.label is not None:
        return (said.label,)
    asked = '"label", its one class' if was.task == "multi_class" else '"labels", all that the image has'
    raise RequestError(400, "bad_feedback", f"{was.pointer.model} is {was.task}: give {asked}")

"""/v1/models: which models there are, what is known of one, and one image classified by it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from registry.traffic import current_share
from serving.answers import RequestError
from serving.engine import Engine
from serving.routes.classify import answer_one
from serving.schemas.answers import REQUEST, Classification, error_descriptions
from serving.schemas.models import (
    NOT_READABLE,
    UNKNOWN_MODEL,
    Challenger,
    Description,
    ModelCard,
    Models,
    ModelSummary,
)
from serving.versions.arms import UNREADABLE
from serving.versions.champion import model_bytes
from serving.versions.fleet import Fleet
from vision.bundle import DESCRIPTION

logger = logging.getLogger("sightline.models")

NAME = {
    "parameters": [
        {
            "name": "name",
            "in": "path",
            "required": True,
            "description": "as /v1/models has it",
            "schema": {"type": "string"},
            "example": "digits",
        }
    ]
}

router = APIRouter(tags=["Sightline"], default_response_class=Response)


@router.get(
    "/v1/models",
    summary="Every model",
    responses={200: {"model": Models, "description": "Those that have a champion which can be read"}},
)
async def list_models(request: Request) -> Response:
    """What can be asked: for each model its versions, its classes and how it is run."""
    fleet: Fleet = request.app.state.engine.fleet
    cards = await asyncio.to_thread(describe_all, fleet)
    # The type of the list decides what is written: of each card, the summary.
    return _json(Models(cards))


@router.get(
    "/v1/models/{name}",
    summary="The card of one model",
    responses={
        200: {"model": ModelCard, "description": "What is known of it"},
        **UNKNOWN_MODEL,
        **NOT_READABLE,
    },
    openapi_extra=NAME,
)
async def show_model(request: Request) -> Response:
    """One model, with the metrics and the origin of its champion."""
    fleet: Fleet = request.app.state.engine.fleet
    name = request.path_params["name"]
    fleet.check_known(name)
    try:
        return _json(await asyncio.to_thread(describe, fleet, name))
    except UNREADABLE as error:
        logger.warning("%s cannot be described: %s", name, error)
        message = f'"{name}" has no champion that can be read: `sightline status` says why'
        raise RequestError(503, "not_ready", message) from None


@router.post(
    "/v1/models/{name}/classify",
    summary="Classify one image by the model of that name",
    responses={
        200: {"model": Classification, "description": "The answer"},
        **error_descriptions(),
        **UNKNOWN_MODEL,
    },
    openapi_extra=REQUEST | {"parameters": NAME["parameters"] + REQUEST["parameters"]},
)
async def classify_by_name(request: Request) -> Response:
    """As /v1/classify; a model that is asked for the first time is loaded first."""
    engine: Engine = request.app.state.engine
    return await answer_one(
        request, engine, await engine.fleet.choose_of(request.path_params["name"], request)
    )


def describe_all(fleet: Fleet) -> list[ModelSummary]:
    """Every model, the default one first, without those of which a file is damaged."""
    cards: list[ModelSummary] = []
    for name in sorted(fleet.names, key=lambda name: (name != fleet.default, name)):
        with suppress(*UNREADABLE):
            cards.append(describe(fleet, name))
    return cards


def describe(fleet: Fleet, name: str) -> ModelCard:
    """The card of a known model, as it is loaded, or would be; UNREADABLE where a file is damaged."""
    arms, source = fleet.arms(name), fleet.source
    pointer = arms.champion.pointer if arms.champion else source.pointer(name)
    folder = source.folder(pointer)
    told = Description.model_validate_json((folder / DESCRIPTION).read_bytes())
    return ModelCard(
        name=name,
        default=name == fleet.default,
        version=pointer.version,
        loaded=arms.champion is not None,
        challenger=_challenger(fleet, name),
        **told.model_dump(exclude={"preprocessing"}),
        image_size=told.preprocessing.image_size,
        digest=pointer.digest,
        size_bytes=model_bytes(folder),
    )


def _challenger(fleet: Fleet, name: str) -> Challenger | None:
    arms = fleet.arms(name)
    traffic = arms.traffic
    if arms.champion is None:
        with suppress(*UNREADABLE):
            traffic = fleet.source.traffic(name)
    if traffic is None:
        return None
    return Challenger(
        version=traffic.version,
        loaded=arms.challenger is not None,
        mode=traffic.mode,
        share=current_share(traffic, datetime.now(UTC)),
        steps=list(traffic.steps),
        step_minutes=traffic.step_minutes,
        since=traffic.since,
    )


def _json(content: BaseModel) -> Response:
    return Response(content.model_dump_json(), media_type="application/json")

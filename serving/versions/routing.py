"""Which arm of an experiment answers a request: the one asked for, else the client's own, else one by lot."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from hashlib import sha256
from typing import get_args

from starlette.requests import HTTPConnection

from registry.traffic import Traffic, current_share
from serving.answers import RequestError
from vision.sequential import Arm

ARM_HEADER, ARM_QUERY = "x-sightline-arm", "arm"
CLIENT_HEADER = "x-client-key"


def choose_arm(traffic: Traffic, request: HTTPConnection) -> Arm:
    """The arm that answers; RequestError (400) where the request asks for one that does not exist.

    A client is known by its header, else by the name of its API key, which the safety layer puts into the
    scope's state.
    """
    asked = request.headers.get(ARM_HEADER, request.query_params.get(ARM_QUERY))
    if asked is not None:
        return _checked(asked)
    share = current_share(traffic, datetime.now(UTC))
    client = request.headers.get(CLIENT_HEADER) or request.scope.get("state", {}).get("key_id")
    place = place_of(traffic.digest, client) if client else random.random()
    return "challenger" if place < share else "champion"


def place_of(digest: str, client: str) -> float:
    """Where the client stands in line, 0 <= place < 1: the challenger of that digest has all below its share.

    So a client keeps its arm, one that is in at 5 % is in at 20 %, and the next challenger meets others.
    """
    # 48 bits: a float64 holds them exactly, so that no place is rounded up to 1.
    return int.from_bytes(sha256(f"{digest} {client}".encode()).digest()[:6]) / 2**48


def _checked(asked: str) -> Arm:
    for arm in get_args(Arm):
        if asked == arm:
            return arm  # type: ignore[no-any-return]
    raise RequestError(400, "bad_arm", f'arm "{asked[:20]}": champion or challenger is allowed')

"""What OpenAPI says of the batch and of explanations. Nothing here runs while a request is answered."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from serving.schemas.answers import REQUEST, Described, ErrorAnswer, OneClass, SeveralLabels

_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}


class Place(Described):
    """Which image of the batch it is."""

    index: int = Field(ge=0, description="from 0, in the order of the request")
    file: str = Field(description="its name, as sent; empty where none was", examples=["photo.jpg"])


class ClassedImage(OneClass, Place):
    """As the answer of /v1/classify."""


class LabelledImage(SeveralLabels, Place):
    """As the answer of /v1/classify."""


class RefusedImage(ErrorAnswer, Place):
    """Why this image has no answer; the codes are those of /v1/classify, and bad_zip_entry."""


class Batch(Described):
    answers: list[ClassedImage | LabelledImage | RefusedImage]


BATCH_REQUEST: dict[str, Any] = {
    "parameters": REQUEST["parameters"],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "array", "items": _BINARY, "minItems": 1}},
                }
            },
            "application/zip": {"schema": _BINARY},
        },
    },
}

EXPLAIN_REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": "class",
            "in": "query",
            "description": "which class to explain; default: the most probable one",
            "schema": {"type": "string"},
        },
        {
            "name": "max_side",
            "in": "query",
            "description": "the picture's height and width are at most this",
            "schema": {"type": "integer", "minimum": 1, "maximum": 2048, "default": 1024},
        },
    ],
    "requestBody": REQUEST["requestBody"],
}

EXPLANATION: dict[str, Any] = {
    "description": "The image with the map laid over it: dark purple low, yellow high",
    "content": {"image/png": {"schema": _BINARY}},
    "headers": {
        "X-Sightline-Class": {
            "description": "the class explained, percent-encoded UTF-8",
            "schema": {"type": "string"},
        },
        "X-Sightline-Method": {"description": "how it was explained", "schema": {"type": "string"}},
        "X-Sightline-Version": {"description": "the version that was asked", "schema": {"type": "integer"}},
    },
}

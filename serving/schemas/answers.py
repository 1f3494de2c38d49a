"""What OpenAPI says of the answers and requests. Nothing here runs while a request is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel


class Described(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClassProbability(Described):
    name: str = Field(examples=["seven"])
    probability: float = Field(ge=0, le=1, examples=[0.9731])


class LabelProbability(ClassProbability):
    present: bool = Field(description="whether the probability reaches the label's threshold")


class Milliseconds(Described):
    """`total` runs from the complete request to the answer; `queue` of it was waiting for a thread."""

    queue: float = Field(ge=0, examples=[0.08])
    decode: float = Field(ge=0, examples=[0.61])
    infer: float = Field(ge=0, examples=[0.42])
    total: float = Field(ge=0, examples=[1.2])


class Uncertainty(Described):
    """How far the answer can be trusted, by rules that validation images set."""

    energy: float = Field(
        description="greater where the image is less like those of training", examples=[-9.1]
    )
    unusual: bool = Field(description="more so than 99 % of the validation images")


class ClassUncertainty(Uncertainty):
    abstain: bool = Field(description="too unsure for the error that is allowed: a person is to look")
    prediction_set: list[str] | None = Field(
        None,
        description="holds the image's class in `coverage` of cases; most probable first",
        examples=[["seven"]],
    )
    coverage: float | None = Field(None, gt=0, lt=1, examples=[0.9])


class Answer(Described):
    """What every answer says."""

    id: str = Field(description="of this prediction: feedback names it", examples=["9b1d..."])
    model: str = Field(examples=["digits"])
    version: int = Field(ge=1, examples=[3])
    arm: Literal["champion", "challenger"] = Field(
        description="which of the versions that share the requests"
    )
    cached: bool = Field(description="the same image had been answered by the same version before")
    milliseconds: Milliseconds


class OneClass(Answer):
    """A champion that gives each image one of its classes."""

    task: Literal["multi_class"]
    class_: str = Field(alias="class", description="the most probable class", examples=["seven"])
    confidence: float = Field(ge=0, le=1, description="its calibrated probability", examples=[0.9731])
    classes: list[ClassProbability] = Field(description="the top_k classes, most probable first")
    uncertainty: ClassUncertainty | None = Field(
        description="null: the champion was made without rules for it"
    )


class SeveralLabels(Answer):
    """A champion that gives each image any number of its labels; the probabilities do not sum to 1."""

    task: Literal["multi_label"]
    labels: list[str] = Field(description="those present, most probable first", examples=[["seven"]])
    classes: list[LabelProbability] = Field(description="the top_k labels, present or not, likeliest first")
    uncertainty: Uncertainty | None = Field(description="null: the champion was made without rules for it")


class Classification(RootModel[Annotated[OneClass | SeveralLabels, Field(discriminator="task")]]):
    """The champion's answer for one image; the model that it was trained as decides which of the two."""


class ErrorReason(Described):
    code: str = Field(description="for programs", examples=["not_an_image"])
    message: str = Field(description="for people: what was received, what is allowed")


class ErrorAnswer(Described):
    """Every error of the service has this shape."""

    error: ErrorReason


# status -> code in the answer -> when
ERRORS = {
    400: {
        "not_an_image": "the bytes are empty, cut short or of no image format that is read",
        "bad_multipart": "the multipart body is malformed",
        "missing_image": "no field named image",
        "several_images": "more than one field named image",
        "bad_json": 'the body is not {"image": "<base64>"}',
        "bad_base64": "the image is not base64",
        "bad_url": "the image's url is malformed, or gave no image in time",
        "url_refused": "its host is not in SIGHTLINE_URL_HOSTS, not public, or redirects",
        "bad_arm": "X-Sightline-Arm or arm is neither champion nor challenger",
        "bad_feedback": "the feedback is not an id with a label, or of a multi-label model with labels",
        "unknown_class": "the label is no class of the model that answered",
        "bad_zip": "the zip archive cannot be read",
        "bad_zip_entry": "of one image of a batch: encrypted, a link, damaged, or not stored or deflated",
        "bad_class": "the version has no class of that name",
        "bad_max_side": "max_side is not a whole number from 1 to 2048",
        "bad_top_k": "top_k is not a whole number from 1 to the number of classes",
    },
    401: {"unauthorized": "no API key, or an unknown one"},
    403: {"origin_refused": "a WebSocket from another site's page"},
    405: {"method_not_allowed": "only POST"},
    408: {"too_slow": "the body did not arrive in time"},
    413: {
        "body_too_large": "more bytes than SIGHTLINE_MAX_BODY_BYTES",
        "too_many_images": "more images than SIGHTLINE_BATCH_IMAGES",
        "too_many_pixels": "more pixels than the model's preprocessing allows",
    },
    415: {
        "unsupported_type": "neither multipart/form-data, image/*, application/octet-stream nor JSON; of a"
        " batch neither multipart/form-data nor application/zip; of feedback not JSON"
    },
    429: {
        "overloaded": "too many requests wait already; Retry-After says for how many seconds to wait",
        "rate_limited": "more requests than SIGHTLINE_RATE; Retry-After says for how many seconds to wait",
    },
    431: {"head_too_large": "more than 100 headers or 32 KB of them"},
    500: {"internal_error": "a fault of the service; the log has it"},
    504: {"timeout": "no thread was free, or done, within SIGHTLINE_ANSWER_SECONDS"},
    503: {"not_ready": "no champion is loaded; the message has the command that makes one"},
}

_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
_BASE64: dict[str, Any] = {"type": "string", "format": "byte", "description": "base64, no data: prefix"}


def _object(image: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"type": "object", "required": ["image"], "properties": {"image": image}}}


REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": "top_k",
            "in": "query",
            "description": "how many classes to list, 1 to the number of classes",
            "schema": {"type": "integer", "minimum": 1, "default": 5},
            "example": 3,
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": _object(_BINARY),
            "application/json": {**_object(_BASE64), "example": {"image": "iVBORw0KGgo..."}},
            "image/*": {"schema": _BINARY},
            "application/octet-stream": {"schema": _BINARY},
        },
    },
}


def error_descriptions() -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses`: one a status, with an example for each code."""
    return {status: _describe(codes) for status, codes in ERRORS.items()}


def _describe(codes: dict[str, str]) -> dict[str, Any]:
    examples = {
        code: {"value": {"error": {"code": code, "message": when}}, "summary": when}
        for code, when in codes.items()
    }
    return {
        "model": ErrorAnswer,
        "description": "; ".join(f"`{code}`: {when}" for code, when in codes.items()),
        "content": {"application/json": {"examples": examples}},
    }

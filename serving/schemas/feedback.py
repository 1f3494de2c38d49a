"""What a client sends to /v1/feedback, which is validated, and what it gets back."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from serving.schemas.answers import Described, ErrorAnswer

MAX_COMMENT = 2_000
Label = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class FeedbackRequest(Described):
    """Which classes the image of an answer has, in the eyes of whoever looked at it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(
        pattern="^[0-9a-f]{32}$", description="of the answer", examples=["019a52f7c3e07b3c9d41a6b2f08e5d17"]
    )
    label: Label | None = Field(None, description="the image's class", examples=["seven"])
    labels: tuple[Label, ...] | None = Field(
        None, description="instead of label, of a model that gives several: all that the image has"
    )
    comment: str = Field("", max_length=MAX_COMMENT)

    @model_validator(mode="after")
    def _has_one_of_the_two(self) -> Self:
        if (self.label is None) == (self.labels is None):
            raise ValueError('give either "label" or, of a model that gives several, "labels"')
        return self


class FeedbackAnswer(Described):
    """The feedback was taken."""

    id: str = Field(description="of the answer")
    right: bool = Field(description="whether the answer was what the feedback says")


REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": FeedbackRequest.model_json_schema()}},
    }
}
UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {
        "model": ErrorAnswer,
        "description": "`unknown_prediction`: no answer has that id; `feedback_off`: there is no log",
    }
}

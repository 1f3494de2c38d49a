"""The JSON that a client gets: a classification, or an error with its reason."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from vision.classifier import ImageClassifier, Probabilities
from vision.uncertainty.rules import Judgement

# Codes of the answers that no handler of ours gave, by status.
CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 503: "not_ready", 504: "timeout"}


class RequestError(Exception):
    """A request that is answered with an error: HTTP status, code for programs, message for people."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, dict(headers or {}), media_type="application/json")


def error_response(request: Request, refusal: RequestError) -> Response:
    """The error; it ends the connection where the rest of the body has no known end."""
    endless = "transfer-encoding" in request.headers
    content = {"error": {"code": refusal.code, "message": refusal.message}}
    return json_response(
        content, refusal.status, refusal.headers | ({"connection": "close"} if endless else {})
    )


def named_classes(classifier: ImageClassifier, probabilities: Probabilities) -> list[str]:
    """What one image's probabilities (K,) say: its class, or the labels present, most probable first."""
    if classifier.task == "multi_class":
        return [classifier.class_names[probabilities.argmax()]]
    present = classifier.present(probabilities[None])[0]
    return [classifier.class_names[i] for i in _ranked(probabilities) if present[i]]


def describe(
    classifier: ImageClassifier, judgement: Judgement, names: list[str], top_k: int
) -> dict[str, object]:
    """The part of the answer that depends on the task; `names` are the `named_classes` of its one image."""
    probabilities = judgement.probabilities[0]
    ranked = _ranked(probabilities)
    doubt = _doubt(classifier, judgement, ranked)
    classes: list[dict[str, object]] = [
        {"name": classifier.class_names[i], "probability": shortest(probabilities[i])} for i in ranked[:top_k]
    ]
    if classifier.task == "multi_class":
        confidence = classes[0]["probability"]
        answer = {"task": "multi_class", "class": names[0], "confidence": confidence}
        return answer | {"classes": classes, "uncertainty": doubt}
    marked = [entry | {"present": entry["name"] in names} for entry in classes]
    return {"task": "multi_label", "labels": names, "classes": marked, "uncertainty": doubt}


def _doubt(classifier: ImageClassifier, judgement: Judgement, ranked: list[int]) -> dict[str, object] | None:
    """None where the bundle has no rules: it was made before there were any."""
    rules = classifier.uncertainty
    if rules is None:
        return None
    doubt: dict[str, object] = {
        "energy": round(float(judgement.energy[0]), 4),
        "unusual": bool(judgement.unusual[0]),
    }
    if classifier.task == "multi_label":
        return doubt
    doubt["abstain"] = bool(judgement.abstains[0])
    if rules.sets is None:
        return doubt
    in_set: list[bool] = judgement.sets[0].tolist()
    held = [classifier.class_names[i] for i in ranked if in_set[i]]
    return doubt | {"prediction_set": held, "coverage": rules.sets.coverage}


def _ranked(probabilities: Probabilities) -> list[int]:
    """Class indices of probabilities (K,), most probable first, ties in the order of the names."""
    order: list[int] = (-probabilities).argsort(kind="stable").tolist()
    return order


def shortest(value: object) -> float:
    """The number whose shortest text gives back the float32: 0.9, where float() says 0.8999999761581421."""
    return float(str(value))

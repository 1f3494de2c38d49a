"""Image files to TensorFlow Serving's REST API, by Python's standard library alone."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Sequence
from typing import Any

TIMEOUT_SECONDS = 10


def classify(
    address: str, model: str, files: Sequence[bytes], label: str | None = None
) -> list[tuple[str, float]]:
    """The most probable class of each JPEG or PNG file and its probability, 0..1.

    The version that bears the label answers, without one the newest. HTTPError carries the server's message.
    """
    place = f"{address}/v1/models/{model}" + (f"/labels/{label}" if label else "")
    encoded = [{"b64": base64.b64encode(file).decode()} for file in files]
    answers = _predict(place, signature_name="serving_bytes", instances=encoded)
    probabilities = [answer["probabilities"] for answer in answers]
    best = [row.index(max(row)) for row in probabilities]
    names = _predict(place, signature_name="class_names", instances=best)
    return [(name, max(row)) for name, row in zip(names, probabilities, strict=True)]


def _predict(place: str, **body: object) -> list[Any]:
    request = urllib.request.Request(f"{place}:predict", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        predictions: list[Any] = json.load(response)["predictions"]
        return predictions

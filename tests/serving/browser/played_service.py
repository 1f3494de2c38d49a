"""The service's answers as the page's tests play them, in the shapes of serving/schema*.py."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Page, Request, Route

FLOWER = {
    "id": "f1",
    "model": "flowers",
    "version": 3,
    "arm": "champion",
    "task": "multi_class",
    "class": "rose",
    "confidence": 0.91,
    "classes": [
        {"name": "rose", "probability": 0.91},
        {"name": "tulip", "probability": 0.0804},
        {"name": "daisy", "probability": 0.0004},
    ],
    "uncertainty": {
        "energy": -3.5,
        "unusual": True,
        "abstain": True,
        "prediction_set": ["rose", "tulip"],
        "coverage": 0.9,
    },
    "cached": False,
    "milliseconds": {"queue": 0.08, "decode": 1.52, "infer": 2.31, "total": 4.236},
}
CELLS = {
    "id": "c1",
    "model": "bccd",
    "version": 1,
    "arm": "challenger",
    "task": "multi_label",
    "labels": ["RBC", "WBC"],
    "classes": [
        {"name": "RBC", "probability": 0.9971, "present": True},
        {"name": "WBC", "probability": 0.964, "present": True},
        {"name": "Platelets", "probability": 0.213, "present": False},
    ],
    "uncertainty": {"energy": -8.2, "unusual": False},
    "cached": True,
    "milliseconds": {"queue": 0.05, "decode": 0, "infer": 0, "total": 0.31},
}
MODELS = [
    {
        "name": "flowers",
        "default": True,
        "version": 3,
        "loaded": True,
        "challenger": None,
        "task": "multi_class",
        "class_names": ["daisy", "rose", "tulip"],
        "image_size": [224, 224],
        "runtime": "litert",
        "precision": "int8",
    },
    {
        "name": "bccd",
        "default": False,
        "version": 1,
        "loaded": False,
        "challenger": {
            "version": 2,
            "loaded": False,
            "mode": "split",
            "share": 0.1,
            "steps": [],
            "step_minutes": 10,
            "since": "2026-11-21T09:00:00Z",
        },
        "task": "multi_label",
        "class_names": ["RBC", "WBC", "Platelets"],
        "image_size": [224, 224],
        "runtime": "openvino",
        "precision": "float32",
    },
]
KNOWN = {
    "digest": "5d41402abc4b2a76b9719d911017c592",
    "size_bytes": 2_870_000,
    "metrics": {
        "accuracy": {"value": 0.912, "low": 0.884, "high": 0.935},
        "log_loss": {"value": 0.2911, "low": 0.24, "high": 0.342},
        "macro_f1": {"value": 0.907, "low": 0.88, "high": 0.93},
        "ece": {"value": 0.021, "low": 0.012, "high": 0.036},
    },
    "lineage": {
        "data_revision": "ad70e6f1d130f62bc2667c85841c6cd7a5fe787b645302118811894b3d238a03",
        "config_digest": "8ff931417969553968371e20ac21972e8a83c6a6400a9a52933cffd4287f10e9",
        "git_commit": "f6d7f7c744db39ea41afb80e4381c310fa945c63",
        "parent": 2,
        "run_id": None,
        "weights": "imagenet",
        "weights_licence": "Apache-2.0",
    },
}
CARDS = [MODELS[0] | KNOWN, MODELS[1] | KNOWN | {"metrics": {}, "lineage": None}]


def png(colour: str = "teal", size: tuple[int, int] = (60, 40)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def refusal(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


@dataclass
class Played:
    """The service as the page meets it: an answer a path, and what was asked."""

    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        ordinary = {
            "/v1/models": (200, MODELS),
            "/v1/models/flowers": (200, CARDS[0]),
            "/v1/models/bccd": (200, CARDS[1]),
            "/v1/classify": (200, FLOWER),  # before the models are known
            "/v1/models/flowers/classify": (200, FLOWER),
            "/v1/models/bccd/classify": (200, CELLS),
            "/v1/explain": (200, png("crimson")),
            "/v1/feedback": (202, {"id": "f1", "right": True}),
        }
        self.answers = ordinary | self.answers

    def answer(self, route: Route) -> None:
        self.asked.append(route.request)
        path = urlsplit(route.request.url).path
        status, content = self.answers[path]
        is_image = isinstance(content, bytes)
        route.fulfill(
            status=status,
            body=content if is_image else json.dumps(content),
            content_type="image/png" if is_image else "application/json",
        )

    def last(self, path: str) -> Request:
        return [request for request in self.asked if path in request.url][-1]


def give(page: Page, data: bytes | None = None, name: str = "photo.png") -> None:
    """Chooses a file, as a person does it in the browser's dialogue."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a picture").click()
    chooser.value.set_files(
        {"name": name, "mimeType": "image/png", "buffer": png() if data is None else data}
    )

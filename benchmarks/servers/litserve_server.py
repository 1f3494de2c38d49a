"""LitServe: a process that answers HTTP, and a worker a processor behind it."""

from __future__ import annotations

import base64
from typing import Any

import litserve

from benchmarks.servers.answer import PORT, PROCESSES, likeliest, open_classifier


class Classifier(litserve.LitAPI):  # type: ignore[misc]
    def setup(self, device: str) -> None:
        self.classifier = open_classifier()

    def decode_request(self, request: dict[str, str]) -> bytes:
        return base64.b64decode(request["image"])

    def predict(self, image: bytes) -> Any:
        return self.classifier.classify(image)

    def encode_response(self, probabilities: Any) -> dict[str, object]:
        return {"classes": likeliest(self.classifier, probabilities)}


if __name__ == "__main__":
    server = litserve.LitServer(Classifier(), accelerator="cpu", workers_per_device=PROCESSES)
    server.run(host="127.0.0.1", port=PORT, log_level="warning", generate_client_file=False)

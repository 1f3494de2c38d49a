"""OpenVINO: fastest on batches and on wide convolutions, and the one with bfloat16."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from vision.runtimes import Logits, SplitModel, openvino_graph
from vision.runtimes.openvino_graph import Place

MODEL_FILE = "model.xml"
WEIGHTS_FILE = "model.bin"
MAX_BATCH = 32


class OpenVINORuntime:
    """One compiled model, and two parts of it where an explanation was asked for."""

    name = "openvino"

    def __init__(self, model: ov.Model, precision: str) -> None:
        self.precision = precision
        self._model = model
        self._engine = _Engine(model, precision)

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        return self._engine.run(images)

    def split(self) -> SplitModel | None:
        return self._split

    def places(self, shape: tuple[int, ...]) -> list[Place]:
        """Where maps of that shape (h, w, C) are computed, in order: where a split may be."""
        return openvino_graph.places_of_shape(self._model, shape)

    def with_features(self, place: Place) -> OpenVINORuntime:
        return OpenVINORuntime(openvino_graph.marked(self._model, place), self.precision)

    def save(self, folder: Path) -> None:
        ov.save_model(self._model, folder / MODEL_FILE, compress_to_fp16=False)

    @cached_property
    def _split(self) -> SplitModel | None:
        place = openvino_graph.marked_place(self._model)
        head = openvino_graph.behind(self._model, place) if place else None
        if place is None or head is None:
            return None
        first = _Engine(openvino_graph.up_to(self._model, place), self.precision)
        second = _Engine(head, "float32")
        if not place.channels_first:
            return SplitModel(first.run, second.run)
        return SplitModel(
            lambda images: first.run(images).transpose(0, 2, 3, 1),
            lambda maps: second.run(maps.transpose(0, 3, 1, 2)),
        )


class _Engine:
    """One compiled model; each thread has an inference request of its own."""

    def __init__(self, model: ov.Model, precision: str) -> None:
        # float32 means float32: on processors with bf16 the plugin would round by default. Where there is no
        # bf16 it takes float32 of itself.
        hint = "bf16" if precision == "bfloat16" else "f32"
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        self._compiled = ov.Core().compile_model(model, "CPU", options)
        self._requests = threading.local()

    def run(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The output, float32, with the values' first axis."""
        if not hasattr(self._requests, "request"):
            self._requests.request = self._compiled.create_infer_request()
        batches = [
            self._infer(values[start : start + MAX_BATCH]) for start in range(0, len(values), MAX_BATCH)
        ]
        return np.concatenate(batches)

    def _infer(self, values: NDArray[Any]) -> NDArray[np.float32]:
        results = self._requests.request.infer([np.ascontiguousarray(values, dtype=np.float32)])
        return np.array(results[0], dtype=np.float32)


def load(folder: Path, precision: str) -> OpenVINORuntime:
    return OpenVINORuntime(ov.Core().read_model(folder / MODEL_FILE), precision)

"""LiteRT (TensorFlow Lite): quickest to start, smallest in memory, fastest at batch 1 on most nets."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from vision.processors import usable_processors
from vision.runtimes import InFlight, Logits, SplitModel, in_batches
from vision.runtimes.pool import Pool

MODEL_FILE = "model.tflite"
FEATURES_FILE = "features.json"


class LiteRTRuntime:
    """`features` is the index of the tensor at which the model can be split, where that is known."""

    name = "litert"

    def __init__(self, model: bytes, precision: str, *, features: int | None = None) -> None:
        self.precision = precision
        self._model = model
        self._features = features
        self._engine = _Engine(model)

    def logits(self, images: NDArray[np.uint8]) -> Logits:
        return self._engine.run(images)

    def split(self) -> SplitModel | None:
        return self._split

    def places(self, shape: tuple[int, ...]) -> list[int]:
        """The tensors of that shape (h, w, C), in order: where a split may be."""
        from vision.runtimes import litert_graph  # what serves never needs it

        return litert_graph.tensors_of_shape(self._model, shape)

    def with_features(self, place: int) -> LiteRTRuntime:
        return LiteRTRuntime(self._model, self.precision, features=place)

    def save(self, folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(self._model)
        if self._features is not None:
            (folder / FEATURES_FILE).write_text(json.dumps({"tensor": self._features}))

    @cached_property
    def _split(self) -> SplitModel | None:
        from vision.runtimes import litert_graph

        if self._features is None:
            return None
        head = litert_graph.behind(self._model, self._features)
        if head is None:
            return None
        first = _Engine(litert_graph.up_to(self._model, self._features))
        return SplitModel(first.run, _Engine(head).run)


class _Engine:
    """An interpreter on all processors for a call that is alone; for several at a time one a processor.

    Measured with MobileNetV2 in int8 on 2 processors, images a second with decoding: two or four calls at a
    time answer a fifth more by interpreters of their own than in turn. Each holds 8 MiB of that model.
    """

    def __init__(self, model: bytes) -> None:
        self._in_flight = InFlight()
        self._whole = _Interpreter(model, threads=usable_processors())
        self._singles = Pool(lambda: _Interpreter(model, threads=1), limit=usable_processors())

    def run(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The output, float32, with the values' first axis."""
        with self._in_flight.call() as is_alone:
            if is_alone:
                return in_batches(self._whole.run, values)
            with self._singles.borrow() as interpreter:
                # One at a time: on one thread a batch gains nothing, and each size of it holds memory.
                return in_batches(interpreter.run, values, 1)


class _Interpreter:
    """One interpreter, resized when the batch changes; for one caller at a time."""

    def __init__(self, model: bytes, *, threads: int) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=threads)
        self._input = self._interpreter.get_input_details()[0]["index"]
        details = self._interpreter.get_output_details()[0]
        self._output, (self._scale, self._zero) = details["index"], details["quantization"]
        self._batch = 0

    def run(self, values: NDArray[Any]) -> NDArray[np.float32]:
        if len(values) != self._batch:
            self._interpreter.resize_tensor_input(self._input, values.shape)
            self._interpreter.allocate_tensors()
            self._batch = len(values)
        np.copyto(self._interpreter.tensor(self._input)(), values)  # into its memory, with no copy between
        self._interpreter.invoke()
        output: NDArray[np.float32] = self._interpreter.get_tensor(self._output)
        if self._scale:  # of a tensor inside an int8 model
            output = np.float32(self._scale) * (output.astype(np.float32) - np.float32(self._zero))
        return output


def load(folder: Path, precision: str) -> LiteRTRuntime:
    """Bundles of before models could be split have no file of features."""
    file = folder / FEATURES_FILE
    features = json.loads(file.read_text())["tensor"] if file.is_file() else None
    return LiteRTRuntime((folder / MODEL_FILE).read_bytes(), precision, features=features)

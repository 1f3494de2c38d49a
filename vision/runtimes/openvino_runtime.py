"""OpenVINO: fastest on batches and on wide convolutions, and the one with bfloat16."""

from __future__ import annotations

import threading
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino.preprocess import PrePostProcessor

from vision.processors import usable_processors
from vision.runtimes import InFlight, Logits, SplitModel, in_batches, openvino_graph
from vision.runtimes.openvino_graph import Place
from vision.runtimes.pool import Pool

MODEL_FILE = "model.xml"
WEIGHTS_FILE = "model.bin"
ON_ALL_PROCESSORS = {"PERFORMANCE_HINT": "LATENCY"}
ON_THE_CALLER = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}


class OpenVINORuntime:
    """One compiled model, and two parts of it where an explanation was asked for."""

    name = "openvino"

    def __init__(self, model: ov.Model, precision: str) -> None:
        self.precision = precision
        self._model = model
        self._engine = _Engine(_of_pixels(model), precision)

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
        first = _Engine(_of_pixels(openvino_graph.up_to(self._model, place)), self.precision)
        second = _Engine(head, "float32")
        if not place.channels_first:
            return SplitModel(first.run, second.run)
        return SplitModel(
            lambda images: first.run(images).transpose(0, 2, 3, 1),
            lambda maps: second.run(maps.transpose(0, 3, 1, 2)),
        )


def _of_pixels(model: ov.Model) -> ov.Model:
    """A copy that takes uint8: nobody makes float32 of the pixels, and copies that, before it begins."""
    copy = PrePostProcessor(model.clone())
    copy.input().tensor().set_element_type(ov.Type.u8)
    return copy.build()


class _Engine:
    """The model compiled for one image on all processors, for batches, and for several calls at a time.

    For a fixed number of images OpenVINO plans ahead, and leaves out copies: in int8 on 2 processors it
    answers one image in 0.89 of the time (MobileNetV2) or 0.95 (CNN A), with the same logits.

    Several calls compute each on the thread that calls, on which the image was decoded: OpenVINO's streams,
    with threads of their own, answer a tenth fewer (MobileNetV2 in int8 with decoding, two calls at a time on
    2 processors). Those of one processor are compiled in 0.3 s each.
    """

    def __init__(self, model: ov.Model, precision: str) -> None:
        self._in_flight = InFlight()
        self._compile = partial(_Compiled, model, precision)
        self._one = self._compile(ON_ALL_PROCESSORS, images=1)
        self._singles: Pool[_Compiled] | None = None
        self._begun = threading.Lock()

    def run(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The output, float32, with the values' first axis."""
        with self._in_flight.call() as is_alone:
            singles = None if is_alone else self._for_several()
            if singles is None:
                return self._one.run(values) if len(values) == 1 else in_batches(self._batches.run, values)
            with singles.borrow() as compiled:
                return in_batches(compiled.run, values, 1)

    @cached_property
    def _batches(self) -> _Compiled:
        """What serves asks for one image at a time, and never needs it."""
        return self._compile(ON_ALL_PROCESSORS)

    def _for_several(self) -> Pool[_Compiled] | None:
        """None until the first caller has compiled them all: the others go on without."""
        if self._begun.acquire(blocking=False):  # once and for good
            count = usable_processors()
            made = [self._compile(ON_THE_CALLER, images=1) for _ in range(count)]
            self._singles = Pool(made.pop, limit=count)
        return self._singles


class _Compiled:
    """A compiled model, for any number of images or a fixed one; each thread has an inference request."""

    def __init__(
        self, model: ov.Model, precision: str, options: dict[str, Any], *, images: int | None = None
    ) -> None:
        # float32 means float32: on processors with bf16 the plugin would round by default. Where there is no
        # bf16 it takes float32 of itself.
        hint = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32"}
        if images is not None:
            model = model.clone()
            model.reshape([images, *list(model.input().partial_shape)[1:]])
        self._compiled = ov.Core().compile_model(model, "CPU", options | hint)
        self._requests = threading.local()

    def run(self, values: NDArray[Any]) -> NDArray[np.float32]:
        if not hasattr(self._requests, "request"):
            self._requests.request = self._compiled.create_infer_request()
        request = self._requests.request
        # Into its memory: given to `infer`, values go through dictionaries of inputs and outputs.
        given = request.get_input_tensor()
        given.shape = values.shape
        np.copyto(given.data, values, casting="safe")
        request.infer()
        return np.array(request.get_output_tensor().data, np.float32)


def load(folder: Path, precision: str) -> OpenVINORuntime:
    return OpenVINORuntime(ov.Core().read_model(folder / MODEL_FILE), precision)

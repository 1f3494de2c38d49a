"""Runtimes answer as Keras does: for any number of images, and to any number of threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import openvino as ov
import pytest

from vision.exporting.converters import export_saved_model, to_litert, to_onnx, to_openvino
from vision.runtimes import (
    BUSY_SECONDS,
    MAX_BATCH,
    InFlight,
    Runtime,
    in_batches,
    litert_runtime,
    openvino_runtime,
)
from vision.runtimes.pool import Pool

SIDE = 16
COUNT = MAX_BATCH + 3
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
OPENERS: dict[str, Callable[[Path], Runtime]] = {
    "litert": to_litert,
    "litert_int8": lambda folder: to_litert(folder, IMAGES),
    "openvino": to_openvino,
    "openvino_int8": lambda folder: to_openvino(folder, IMAGES),
    "onnx": to_onnx,
}
CALLERS = 8


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


@pytest.fixture(scope="module")
def saved_model(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_saved_model(model, tmp_path_factory.mktemp("exported") / "1")


@pytest.fixture(scope="module", params=OPENERS)
def runtime(request: pytest.FixtureRequest, saved_model: Path) -> Runtime:
    return OPENERS[request.param](saved_model)


@pytest.mark.parametrize("count", [1, 2, MAX_BATCH, COUNT])
def test_logits_are_those_of_keras_in_the_order_of_the_images(runtime, model, count) -> None:
    expected = model.predict(IMAGES[:count], verbose=0)

    logits = runtime.logits(IMAGES[:count])

    assert (logits.shape, logits.dtype) == ((count, 3), np.float32)
    steps = 0.02 if runtime.precision == "int8" else 1e-5  # of logits that reach about 0.4
    np.testing.assert_allclose(logits, expected, atol=steps)


def test_threads_get_the_answers_that_one_alone_gets(runtime) -> None:
    expected = runtime.logits(IMAGES)
    together = threading.Barrier(CALLERS)

    def ask(caller: int) -> np.ndarray:
        together.wait()
        return np.concatenate([runtime.logits(IMAGES[(caller + row) % COUNT][None]) for row in range(COUNT)])

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(ask, range(CALLERS)))

    for caller, answer in enumerate(answers):
        np.testing.assert_allclose(answer, np.roll(expected, -caller, axis=0), atol=1e-6)


def test_in_batches_gives_pieces_in_order() -> None:
    sizes = []

    def doubled(rows: np.ndarray) -> np.ndarray:
        sizes.append(len(rows))
        return 2 * rows

    joined = in_batches(doubled, np.arange(7, dtype=np.float32), 3)

    assert (sizes, joined.tolist()) == ([3, 3, 1], [0, 2, 4, 6, 8, 10, 12])


def test_only_the_first_of_overlapping_calls_is_alone() -> None:
    now = 0.0
    in_flight = InFlight(clock=lambda: now)

    with in_flight.call() as first, in_flight.call() as second:
        pass
    with pytest.raises(ValueError, match="failed"), in_flight.call():
        raise ValueError("failed")
    with in_flight.call() as soon_after:
        pass
    now = BUSY_SECONDS
    with in_flight.call() as later:
        pass

    assert (first, second, soon_after, later) == (True, False, False, True)


class Waiting:
    """An interpreter, or a compiled model, that is held up inside its call until it is let go."""

    made: list[Waiting]
    go: threading.Event

    def __init__(self, *arguments: object, threads: int = 0, images: int | None = None) -> None:
        self.threads, self.sizes, self.arguments, self.images = threads, list[int](), arguments, images
        self.made.append(self)

    def run(self, values: np.ndarray) -> np.ndarray:
        self.sizes.append(len(values))
        assert self.go.wait(10)
        return values.astype(np.float32)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Waiting]]:
    monkeypatch.setattr(Waiting, "made", [], raising=False)
    monkeypatch.setattr(Waiting, "go", threading.Event(), raising=False)
    monkeypatch.setattr(litert_runtime, "_Interpreter", Waiting)
    monkeypatch.setattr(openvino_runtime, "_Compiled", Waiting)
    yield Waiting
    Waiting.go.set()


def crowd(run: Callable[[np.ndarray], np.ndarray], callers: int, waiting: type[Waiting]) -> None:
    """That many calls of two images each, all begun before any ends."""
    with ThreadPoolExecutor(callers) as pool:
        calls = [pool.submit(run, np.zeros((2, 1))) for _ in range(callers)]
        threading.Timer(0.2, waiting.go.set).start()
        assert all(call.result(10).shape == (2, 1) for call in calls)


def test_litert_has_at_most_an_interpreter_a_processor_besides_the_whole(waiting) -> None:
    engine, processors = litert_runtime._Engine(b""), os.cpu_count() or 1

    crowd(engine.run, 3 * processors + 1, waiting)

    whole, *singles = waiting.made
    assert (whole.threads, whole.sizes) == (processors, [2])
    assert [single.threads for single in singles] == [1] * processors
    assert {size for single in singles for size in single.sizes} == {1}


class TakenInBetween(list[int]):
    """Looks as if it held one, which another thread has taken when it is to be had."""

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return 1


def test_pool_makes_an_engine_where_another_thread_took_the_last() -> None:
    pool = Pool(lambda: 7, limit=2)
    pool._free = TakenInBetween()

    with pool.borrow() as engine:
        assert engine == 7


def test_litert_alone_uses_all_processors_and_makes_nothing_else(waiting) -> None:
    engine = litert_runtime._Engine(b"")
    waiting.go.set()

    for _ in range(3):
        engine.run(np.zeros((2, 1)))

    assert [(made.threads, made.sizes) for made in waiting.made] == [(os.cpu_count(), [2, 2, 2])]


def test_read_only_and_strided_images_are_taken_too(runtime) -> None:
    expected = runtime.logits(IMAGES[:3])
    wide = np.zeros((3, SIDE, 2 * SIDE, 3), np.uint8)
    wide[:, :, ::2] = IMAGES[:3]
    read_only = np.frombuffer(IMAGES[:3].tobytes(), np.uint8).reshape(IMAGES[:3].shape)

    np.testing.assert_array_equal(runtime.logits(wide[:, :, ::2]), expected)
    np.testing.assert_array_equal(runtime.logits(read_only), expected)


def test_openvino_takes_pixels_as_they_are(saved_model) -> None:
    runtime = to_openvino(saved_model, IMAGES)
    of_floats = openvino_runtime._Engine(runtime._model, "int8")

    assert runtime._engine._one._compiled.input().get_element_type() == ov.Type.u8
    assert of_floats._one._compiled.input().get_element_type() == ov.Type.f32
    np.testing.assert_array_equal(runtime.logits(IMAGES), of_floats.run(IMAGES.astype(np.float32)))
    with pytest.raises(TypeError, match="safe"):  # and does not cut off what is behind the point
        runtime.logits(IMAGES[:1] / 2)


def test_openvino_compiles_one_a_processor_once_and_for_several_only(waiting) -> None:
    engine = openvino_runtime._Engine(None, "float32")
    made_for_one = len(waiting.made)

    crowd(engine.run, 5, waiting)

    one, *others = waiting.made
    singles = [made for made in others if made.arguments[2] == openvino_runtime.ON_THE_CALLER]
    assert made_for_one == 1
    assert (one.arguments[2], one.images) == (openvino_runtime.ON_ALL_PROCESSORS, 1)
    assert [single.images for single in singles] == [1] * (os.cpu_count() or 1)
    assert {size for single in singles for size in single.sizes} == {1}
    assert sum(sum(made.sizes) for made in waiting.made) == 5 * 2


def test_openvino_compiles_for_batches_when_the_first_comes(waiting) -> None:
    engine = openvino_runtime._Engine(None, "float32")
    waiting.go.set()

    for count in (1, 2, 1, MAX_BATCH + 1):
        engine.run(np.zeros((count, 1)))

    assert [(made.images, made.sizes) for made in waiting.made] == [(1, [1, 1]), (None, [2, MAX_BATCH, 1])]


def test_openvino_goes_on_with_the_whole_where_the_others_fail(monkeypatch) -> None:
    def compile_or_fail(model: object, precision: str, options: dict[str, object], *, images: int) -> Waiting:
        if "NUM_STREAMS" in options:
            raise RuntimeError("no memory")
        return Waiting()

    monkeypatch.setattr(Waiting, "made", [], raising=False)
    monkeypatch.setattr(openvino_runtime, "_Compiled", compile_or_fail)
    engine = openvino_runtime._Engine(None, "float32")

    with pytest.raises(RuntimeError, match="no memory"):
        engine._for_several()

    assert engine._for_several() is None

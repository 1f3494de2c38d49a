"""What decided how the service is built: one image a thread and no batches; a cache whose key is of bytes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from threading import Thread

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from benchmarks.question import Answered
from benchmarks.record import table
from benchmarks.serving_plan import FIGURES, Case, Plan, figures, times_as_many
from registry.bundles import load_bundle
from vision.classifier import ImageClassifier
from vision.runtimes.litert_runtime import MODEL_FILE

BATCHES = (1, 2, 8, 32)
HASHES = 200


def measure_choices(plan: Plan, case: Case) -> str:
    classifier = load_bundle(case.bundle)
    return f"{_batches(plan, case, classifier)}\n\n{_keys(classifier, case.image)}"


def _batches(plan: Plan, case: Case, classifier: ImageClassifier) -> str:
    """As many threads as processors decode single images; the network gets them singly or gathered."""
    threads = os.cpu_count() or 1
    ways: dict[str, Callable[[], Answered]] = {}
    for size in BATCHES:
        ways[f"{size} at a time, {threads} threads"] = partial(
            _gathered, plan, case, classifier, size, threads=threads, threads_of_network=1
        )
    for size in BATCHES[1:]:
        name = f"{size} at a time, 1 thread, network on {threads}"
        ways[name] = partial(_gathered, plan, case, classifier, size, threads=1, threads_of_network=threads)
    answers: dict[str, list[Answered]] = {way: [] for way in ways}
    for _ in range(plan.rounds):
        for way, measure in ways.items():
            answers[way].append(measure())
    single = next(iter(answers.values()))
    rows = [(way, *figures(of), f"**{times_as_many(of, single):.2f}**") for way, of in answers.items()]
    return table(("images that the network gets", *FIGURES, "times as many as single ones"), rows)


def _gathered(
    plan: Plan,
    case: Case,
    classifier: ImageClassifier,
    size: int,
    *,
    threads: int,
    threads_of_network: int,
) -> Answered:
    """Decoding and inference; an image has its answer when its whole batch has."""
    model, times = (case.bundle / MODEL_FILE).read_bytes(), list[float]()
    run = [_network(model, size, threads_of_network) for _ in range(threads)]
    until = time.perf_counter() + plan.seconds

    def work(network: Callable[[NDArray[np.uint8]], None]) -> None:
        while (begin := time.perf_counter()) < until:
            network(np.stack([classifier.preprocessing.apply(case.image) for _ in range(size)]))
            times.extend([time.perf_counter() - begin] * size)

    workers = [Thread(target=work, args=(network,)) for network in run]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    p50, p99 = np.percentile(times, (50, 99)) * 1000
    return Answered(len(times) / plan.seconds, float(p50), float(p99), failed=0)


def _network(model: bytes, size: int, threads: int) -> Callable[[NDArray[np.uint8]], None]:
    """An interpreter for batches of that size, as LiteRT itself does them."""
    interpreter = Interpreter(model_content=model, num_threads=threads)
    place = interpreter.get_input_details()[0]["index"]
    shape = interpreter.get_input_details()[0]["shape"]
    interpreter.resize_tensor_input(place, (size, *shape[1:]), strict=True)
    interpreter.allocate_tensors()

    def run(images: NDArray[np.uint8]) -> None:
        np.copyto(interpreter.tensor(place)(), images)
        interpreter.invoke()

    return run


def _keys(classifier: ImageClassifier, image: bytes) -> str:
    """What a question to the cache costs before it is asked, by either key."""
    ways: dict[str, Callable[[], object]] = {
        "sha256 of the encoded bytes": lambda: hashlib.sha256(image).digest(),
        "decode, sha256 of the pixels": lambda: hashlib.sha256(
            classifier.preprocessing.apply(image)
        ).digest(),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(HASHES):
        for way, key in ways.items():
            begin = time.perf_counter()
            key()
            times[way].append(1000 * (time.perf_counter() - begin))
    head = ("key of the cache", "ms")
    return table(head, [(way, f"{median(each):.2f}") for way, each in times.items()])

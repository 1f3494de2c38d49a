"""What /metrics shows. BentoML's own are off: they keep a label for every path ever asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Concatenate, ParamSpec

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from registry.pointer import ChampionPointer
from serving.afterwards import Afterwards
from serving.classified import Classified
from serving.versions.champion import Served

P = ParamSpec("P")

# The class_name of images without any label: what the manifest says of them too, so no class is called that.
NO_LABEL = ""
# Seconds: from a LiteRT model of a millisecond to a 12-megapixel photograph on a busy machine.
BUCKETS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.012, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
BATCHES = (1, 4, 16, 64, 256, 1024)
EVENTS = (
    "cache_unavailable", "log_dropped", "image_dropped", "shadow_agreed", "shadow_differed", "shadow_dropped",
    "shadow_failed", "rolled_back", "traffic_damaged",
)  # fmt: skip


def _afterwards(method: Callable[Concatenate[Metrics, P], None]) -> Callable[Concatenate[Metrics, P], None]:
    def put(self: Metrics, /, *arguments: P.args, **named: P.kwargs) -> None:
        self.afterwards.put(partial(method, self, *arguments, **named))

    return put


class Metrics:
    """The counters of one process; `bentoml serve` lets its workers share them through files.

    What every request counts is counted `afterwards`.
    """

    def __init__(self, afterwards: Afterwards | None = None) -> None:
        self.afterwards = afterwards or Afterwards()
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "sightline_requests", "Answers of the API", ["route", "status"], registry=registry
        )
        self._latency = Histogram(
            "sightline_latency_seconds",
            "Time of answered images; total runs from the complete request to the answer",
            ["phase"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._phases = {name: self._latency.labels(name) for name in ("queue", "decode", "infer", "total")}
        self._predictions = Counter(
            "sightline_predictions",
            "Images by predicted class; multi-label: by each label present, empty where none is",
            ["model", "version", "arm", "class_name"],
            registry=registry,
        )
        self._confidence = Histogram(
            "sightline_confidence",
            "Probability of the likeliest class",
            ["model", "version"],
            buckets=[tenth / 10 for tenth in range(1, 11)],
            registry=registry,
        )
        self._abstained = Counter(
            "sightline_abstained", "Images for a person to look at", ["model", "version"], registry=registry
        )
        self._batches = Histogram(
            "sightline_batch_images", "Images in a request of several", buckets=BATCHES, registry=registry
        )
        self._cache = Counter("sightline_cache", "Questions to the cache", ["result"], registry=registry)
        self._events = Counter(
            "sightline_events",
            "What happened besides, by name (docs/serving.md)",
            ["event"],
            registry=registry,
        )
        for event in EVENTS:
            self._events.labels(event)  # from 0: Prometheus' increase() sees nothing of one that begins at 1
        self._served = Gauge(
            "sightline_served_version",
            "The version that answers; 0: none",
            ["model", "arm"],
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._failures = Counter(
            "sightline_load_failures", "Versions that could not be loaded", ["model"], registry=registry
        )

    @_afterwards
    def count_request(self, route: str, status: int) -> None:
        self._requests.labels(route, status).inc()

    def count(self, event: str, amount: float = 1) -> None:
        """One of a few names, never one that a client chose: each is a time series for ever."""
        self._events.labels(event).inc(amount)

    def classified(self, answer: Classified, data: bytes) -> None:
        """Counts one image, under each class that its answer names."""
        self._count_answer(answer)  # without the image, which would be held until then

    @_afterwards
    def _count_answer(self, answer: Classified) -> None:
        served, judgement = answer.served, answer.judgement
        version = (served.pointer.model, served.pointer.version)
        for name in answer.names or (NO_LABEL,):
            self._predictions.labels(*version, served.arm, name).inc()
        self._confidence.labels(*version).observe(float(judgement.probabilities.max()))
        self._abstained.labels(*version).inc(int(judgement.abstains[0]))

    def batch(self, images: int) -> None:
        """A request of so many images, which are answered one by one."""
        self._batches.observe(images)

    @_afterwards
    def asked_cache(self, *, known: bool) -> None:
        self._cache.labels("hit" if known else "miss").inc()

    @_afterwards
    def observe(self, seconds: dict[str, float]) -> None:
        """Seconds by phase: queue, decode, infer, total."""
        for phase, value in seconds.items():
            self._phases[phase].observe(value)

    def serves(self, served: Served) -> None:
        self._served.labels(served.pointer.model, served.arm).set(served.pointer.version)

    def failed(self, pointer: ChampionPointer) -> None:
        self._failures.labels(pointer.model).inc()

    def text(self) -> bytes:
        """Prometheus' text format, of all workers where there are several."""
        self.afterwards.settle()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)

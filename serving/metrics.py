"""What /metrics shows. BentoML's own are off: they keep a label for every path ever asked."""

from __future__ import annotations

import os
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from registry.pointer import ChampionPointer

# The class_name of images without any label: what the manifest says of them too, so no class is called that.
NO_LABEL = ""
# Seconds: from a LiteRT model of a millisecond to a 12-megapixel photograph on a busy machine.
BUCKETS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.012, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The counters of one process; `bentoml serve` lets its workers share them through files."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "sightline_requests", "Answers of /v1/classify", ["status"], registry=registry
        )
        self._latency = Histogram(
            "sightline_latency_seconds",
            "Time of answered images; total runs from the complete request to the answer",
            ["phase"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._phases = {name: self._latency.labels(name) for name in ("decode", "infer", "total")}
        self._predictions = Counter(
            "sightline_predictions",
            "Images by predicted class; multi-label: by each label present, empty where none is",
            ["model", "version", "class_name"],
            registry=registry,
        )
        self._served = Gauge(
            "sightline_served_version",
            "The version that answers",
            ["model"],
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._failures = Counter(
            "sightline_load_failures", "Champions that could not be loaded", ["model"], registry=registry
        )

    def count_request(self, status: int) -> None:
        self._requests.labels(status).inc()

    def count_prediction(self, pointer: ChampionPointer, names: Sequence[str]) -> None:
        """Counts one image, under each class that its answer names."""
        for name in names or (NO_LABEL,):
            self._predictions.labels(pointer.model, pointer.version, name).inc()

    def observe(self, seconds: dict[str, float]) -> None:
        """Seconds by phase: decode, infer, total."""
        for phase, value in seconds.items():
            self._phases[phase].observe(value)

    def serves(self, pointer: ChampionPointer) -> None:
        self._served.labels(pointer.model).set(pointer.version)

    def failed(self, pointer: ChampionPointer) -> None:
        self._failures.labels(pointer.model).inc()

    def text(self) -> bytes:
        """Prometheus' text format, of all workers where there are several."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)

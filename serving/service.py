"""What `bentoml serve serving.service:Sightline` runs: the API mounted, and every part put together."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import ExitStack
from dataclasses import replace

import bentoml

from registry.workspace import Workspace
from serving.afterwards import Afterwards
from serving.api import QUICK, app
from serving.caching.memory import cache_from_settings
from serving.engine import Engine, Observer
from serving.front.connection import use_bounded_connections
from serving.front.draining import use_draining_server
from serving.front.edge import Edge
from serving.front.log_format import configure_logging
from serving.observers.feedback import FeedbackDesk
from serving.observers.guard import Guard
from serving.observers.kept_images import KeptImages
from serving.observers.metrics import Metrics
from serving.observers.prediction_log import PredictionLog
from serving.observers.shadow import Shadow
from serving.received.url_image import UrlImages
from serving.routes import batch, explain
from serving.settings import Settings
from serving.versions.champion import RegistrySource, Source
from serving.versions.embedded import EmbeddedSource
from serving.versions.fleet import Fleet
from serving.workers import Workers
from vision.errors import ConfigError

# Our own limits (settings.py) answer long before BentoML's, whose answer has another shape.
BACKSTOP_SECONDS = 120

use_draining_server()
# Decided before there are settings: of the module is made what BentoML runs.
TRACES_URL = os.environ.get("SIGHTLINE_TRACES_URL")
TRACING = {
    "exporter_type": "otlp",
    "sample_rate": 1.0,
    "otlp": {"protocol": "http", "endpoint": TRACES_URL},
}
# What asks ours at once passes by BentoML's spans, so that it does not where spans are asked for.
use_bounded_connections(direct=None if TRACES_URL else Edge(app, api=app, quick=QUICK))


@bentoml.service(
    name="sightline",
    description="Image classification by the champion of Sightline's registry",
    http={"host": "127.0.0.1", "port": 3000, "cors": {"enabled": False}},
    traffic={"timeout": BACKSTOP_SECONDS},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing=TRACING if TRACES_URL else {"sample_rate": 0.0},
)
@bentoml.asgi_app(app)
class Sightline:
    """Image classification by the champion of Sightline's registry."""

    def __init__(self) -> None:
        settings, workspace = Settings.from_environment(), Workspace.from_environment()
        configure_logging(settings.log_format)
        self._parts = ExitStack()  # closed in the opposite order: first what takes new requests
        afterwards = Afterwards()
        self._parts.callback(afterwards.close)
        metrics = Metrics(afterwards)
        guard = Guard(workspace, metrics.count)
        app.state.feedback = None
        source = choose_source(settings)
        keepers = self._keepers(settings, workspace, metrics, guard) if may_write(source) else []
        observers: tuple[Observer, ...] = (metrics, guard, *keepers)
        cache = cache_from_settings(settings, metrics)
        self._fleet = Fleet.from_settings(
            settings,
            source,
            metrics,
            on_change=cache.keep if cache else lambda digests: None,
        )
        workers = Workers(settings.threads, queue=settings.queue, answer_seconds=settings.answer_seconds)
        engine = Engine(
            settings, self._fleet, metrics, workers, cache, observers, afterwards, on_failure=guard.failed
        )
        explainers = Workers(1, queue=explain.QUEUE, answer_seconds=settings.answer_seconds)
        shadow = Shadow.of(engine)  # the others are told of its answers
        self._parts.callback(shadow.close)
        self._parts.callback(workers.close)
        self._parts.callback(explainers.close)
        self._parts.callback(self._fleet.close)
        app.state.engine = replace(engine, observers=(*observers, shadow))
        app.state.explainers = explainers
        app.state.batches = asyncio.Semaphore(batch.AT_ONCE)
        app.state.live = asyncio.Semaphore(settings.live_connections)
        app.state.url_images = UrlImages.from_settings(settings)
        afterwards.start()
        self._fleet.start()
        # What is loaded stays: to look through it all for garbage stops every request for 50 ms.
        gc.collect()
        gc.freeze()

    def _keepers(
        self, settings: Settings, workspace: Workspace, metrics: Metrics, guard: Guard
    ) -> list[Observer]:
        """Those that write answers down, started."""
        keepers: list[Observer] = []
        if log := PredictionLog.from_settings(settings, workspace, metrics):
            app.state.feedback = FeedbackDesk(log, observers=(guard,))
            keepers += [log, app.state.feedback]
            log.start()
            self._parts.callback(log.close)
        if images := KeptImages.from_settings(settings, workspace, metrics):
            keepers.append(images)
            images.start()
            self._parts.callback(images.close)
        return keepers

    def __is_ready__(self) -> bool:
        return self._fleet.is_ready

    @bentoml.on_shutdown
    def close(self) -> None:
        self._parts.close()

    @bentoml.on_deployment
    @staticmethod
    def check_settings() -> None:
        """Runs once, before any worker: a worker that failed on its settings would be started for ever."""
        try:
            settings = Settings.from_environment()
            cache_from_settings(settings, Metrics())
        except ConfigError as error:
            raise SystemExit(f"sightline: {error}") from None
        configure_logging(settings.log_format)


# The decorator has made a bentoml.Service of the class.
Sightline.add_asgi_middleware(Edge, api=app, quick=QUICK)  # type: ignore[attr-defined]


def choose_source(settings: Settings) -> Source:
    """A Bento's own bundle, so that a tag means one version; else the registry of the workspace."""
    embedded = EmbeddedSource.of_this_code()
    if embedded.exists() and not settings.follow:
        return embedded
    return RegistrySource(Workspace.from_environment(), settings.model)


def may_write(source: Source) -> bool:
    """Not in a Bento that was told no place: the folder would lie within it, and it is to stay as it is."""
    return bool(os.environ.get("SIGHTLINE_HOME")) or not isinstance(source, EmbeddedSource)

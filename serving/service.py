"""What `bentoml serve serving.service:Sightline` runs: the API mounted, the champion followed."""

from __future__ import annotations

import bentoml

from registry.workspace import Workspace
from serving.api import app
from serving.champion import Champion, RegistrySource, Source
from serving.edge import Edge
from serving.embedded import EmbeddedSource
from serving.engine import Engine
from serving.fleet import Fleet
from serving.metrics import Metrics
from serving.settings import Settings
from serving.workers import Workers
from vision.errors import ConfigError

# Our own limits (settings.py) answer long before BentoML's, whose answer has another shape.
BACKSTOP_SECONDS = 120


@bentoml.service(
    name="sightline",
    description="Image classification by the champion of Sightline's registry",
    http={"host": "127.0.0.1", "port": 3000, "cors": {"enabled": False}},
    traffic={"timeout": BACKSTOP_SECONDS},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(app)
class Sightline:
    """Image classification by the champion of Sightline's registry."""

    def __init__(self) -> None:
        settings = Settings.from_environment()
        metrics = Metrics()
        champion = Champion(
            choose_source(settings),
            poll_seconds=settings.poll_seconds,
            retry_seconds=settings.retry_seconds,
            on_swap=metrics.serves,
            on_failure=metrics.failed,
        )
        self._fleet = Fleet(champion)
        self._workers = Workers(
            settings.threads, queue=settings.queue, answer_seconds=settings.answer_seconds
        )
        app.state.engine = Engine(settings, self._fleet, metrics, self._workers, observers=(metrics,))
        self._fleet.start()

    def __is_ready__(self) -> bool:
        return self._fleet.is_ready

    @bentoml.on_shutdown
    def close(self) -> None:
        self._fleet.close()
        self._workers.close()

    @bentoml.on_deployment
    @staticmethod
    def check_settings() -> None:
        """Runs once, before any worker: a worker that failed on its settings would be started for ever."""
        try:
            Settings.from_environment()
        except ConfigError as error:
            raise SystemExit(f"sightline: {error}") from None


# The decorator has made a bentoml.Service of the class.
Sightline.add_asgi_middleware(Edge, api=app)  # type: ignore[attr-defined]


def choose_source(settings: Settings) -> Source:
    """A Bento's own bundle, so that a tag means one version; else the registry of the workspace."""
    embedded = EmbeddedSource.of_this_code()
    if embedded.exists() and not settings.follow:
        return embedded
    return RegistrySource(Workspace.from_environment(), settings.model)

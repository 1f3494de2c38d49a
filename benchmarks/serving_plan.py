"""What the benchmarks of the service share: models, images, services that are warm, and taking turns."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from threading import Thread

import numpy as np

from benchmarks.load import closed_loop
from benchmarks.photographs import numbered, photograph
from benchmarks.processes import Running, free_port, running
from benchmarks.question import Answered, Question
from benchmarks.served_models import store_model
from benchmarks.servers import Server
from registry.pointer import bundle_path
from registry.workspace import Workspace
from vision.classifier import ImageClassifier

CLIENTS = (1, 8, 32)
WARM_SECONDS = 2.0
NO_CACHE = {"SIGHTLINE_CACHE_MEGABYTES": 0}


@dataclass(frozen=True)
class Plan:
    """How much is measured: `seconds` of each load in a round, `minutes` of the overload."""

    folder: Path
    rounds: int
    seconds: float
    minutes: float

    def case(
        self, architecture: str, width: int, height: int, size_bytes: int, runtime: str = "litert"
    ) -> Case:
        """A model as the champion, and only model, of a workspace of its own."""
        workspace = Workspace(self.folder / f"{architecture}-{runtime}")
        if not workspace.root.exists():
            store_model(workspace, architecture, runtime=runtime)
        return Case(workspace, architecture, photograph(width, height, max_bytes=size_bytes))

    def in_turn(self, services: Sequence[Running], clients: int) -> list[list[Answered]]:
        """A list a service of what each round gave."""
        rounds = [
            [closed_loop(service.question, clients=clients, seconds=self.seconds) for service in services]
            for _ in range(self.rounds)
        ]
        return [list(answers) for answers in zip(*rounds, strict=True)]


@dataclass(frozen=True)
class Case:
    """One model, and the image that it is asked about."""

    workspace: Workspace
    architecture: str
    image: bytes

    @cached_property
    def bundle(self) -> Path:
        return bundle_path(self.workspace, self.architecture, 1)

    @contextmanager
    def service(self, *, new: float = 0, workers: int = 1, **variables: object) -> Iterator[Running]:
        """Ours, warm; a share `new` of the questions is about an image that it has not seen."""
        port = free_port()
        command = [sys.executable, "-m", "serving", "--port", str(port)]
        question = Question(port, "/v1/classify", "image/jpeg", numbered(self.image), new)
        settings = {
            "SIGHTLINE_HOME": self.workspace.root,
            "BENTOML_HOME": self.workspace.bentoml,
            # `bentoml serve --api-workers` says nothing to a service of this kind (BentoML 1.4.39).
            "BENTOML_CONFIG_OPTIONS": f"services.sightline.workers={workers}",
        }
        with running(command, question, settings | variables, self._log(port)) as ours:
            closed_loop(question, clients=max(CLIENTS), seconds=WARM_SECONDS)
            yield ours

    @contextmanager
    def other(self, server: Server) -> Iterator[Running]:
        """Another server, warm."""
        port = free_port()
        question = Question(port, server.path, *server.ask(self.image))
        variables = {"PORT": port, "BUNDLE": self.bundle, "BENTOML_HOME": self.workspace.bentoml}
        with running(server.command, question, variables, self._log(port)) as theirs:
            closed_loop(question, clients=max(CLIENTS), seconds=WARM_SECONDS)
            yield theirs

    def _log(self, port: int) -> Path:
        return self.workspace.root / f"service-{port}.log"


def in_process(classifier: ImageClassifier, image: bytes, *, threads: int, seconds: float) -> Answered:
    """Decoding and inference alone, by that many threads of this process."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    def work() -> None:
        while (begin := time.perf_counter()) < until:
            classifier.classify(image)
            times.append(time.perf_counter() - begin)

    workers = [Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    p50, p99 = np.percentile(times, (50, 99)) * 1000
    return Answered(len(times) / seconds, float(p50), float(p99), failed=0)


FIGURES = ("images/s", "p50 ms", "p99 ms", "failed")


def figures(answers: Sequence[Answered]) -> tuple[str, ...]:
    """Medians over the rounds, and all that failed: a table's cells below FIGURES."""
    return (
        f"{median(answer.per_second for answer in answers):.0f}",
        f"{median(answer.p50_ms for answer in answers):.1f}",
        f"{median(answer.p99_ms for answer in answers):.1f}",
        str(sum(answer.failed for answer in answers)),
    )


def times_as_many(ours: Sequence[Answered], others: Sequence[Answered]) -> float:
    """The median over the rounds of how many times as many images a second ours answers."""
    pairs = zip(ours, others, strict=True)
    return median(our.per_second / other.per_second if other.per_second else np.inf for our, other in pairs)

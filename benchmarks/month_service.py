"""The service of the simulated month: a process that follows the registry, and clients that never stop."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.load import OK, open_loop
from benchmarks.processes import free_port, running
from benchmarks.question import Question
from registry.workspace import Workspace

REQUESTS_A_SECOND, SECONDS_AT_A_TIME = 5.0, 2.0
LOOK_SECONDS, MOST_SECONDS = 0.05, 60.0


@dataclass
class Served:
    """How requests ended, and the seconds from each move of the champion to its first answer."""

    question: Question
    counts: Counter[str] = field(default_factory=Counter)
    seconds_to_follow: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.counts.total()

    @property
    def lost(self) -> int:
        return self.requests - self.counts[OK]

    def follow(self, version: int) -> None:
        """Waits until the version answers; TimeoutError where it does not within a minute."""
        begin = time.perf_counter()
        while (answering := self.answering_version()) != version:
            if time.perf_counter() - begin > MOST_SECONDS:
                raise TimeoutError(f"version {answering} answers, not {version}")
            time.sleep(LOOK_SECONDS)
        self.seconds_to_follow.append(time.perf_counter() - begin)

    def answering_version(self) -> int:
        question = self.question
        request = urllib.request.Request(
            f"http://127.0.0.1:{question.port}{question.path}",
            question.body,
            {"Content-Type": question.content_type},
        )
        with urllib.request.urlopen(request, timeout=MOST_SECONDS) as answer:
            return int(json.load(answer)["version"])


@contextmanager
def served(workspace: Workspace, image: bytes) -> Iterator[Served]:
    """The service of the workspace's champion under light load until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "serving", "--port", str(port)]
    variables = {
        "SIGHTLINE_HOME": workspace.root,
        "BENTOML_HOME": workspace.bentoml,
        "SIGHTLINE_CACHE_MEGABYTES": 0,
    }
    question = Question(port, "/v1/classify", "image/png", image)
    with running(command, question, variables, workspace.root / "service.log"):
        service, ended = Served(question), threading.Event()
        clients = threading.Thread(target=_ask, args=(service, ended))
        clients.start()
        try:
            yield service
        finally:
            ended.set()
            clients.join()


def _ask(service: Served, ended: threading.Event) -> None:
    seed = 0
    while not ended.is_set():
        seed += 1
        record = open_loop(
            service.question, per_second=REQUESTS_A_SECOND, seconds=SECONDS_AT_A_TIME, seed=seed
        )
        service.counts += record.counts

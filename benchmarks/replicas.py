"""nginx before two replicas, of which one is killed every few seconds: what becomes of requests.

nginx.conf is that of infra/docker. `python -m benchmarks.replicas 20` shows 20 seconds and writes nothing.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import OK, Record, open_loop, record_closed_loop
from benchmarks.photographs import photograph
from benchmarks.processes import free_port
from benchmarks.question import Question
from benchmarks.record import table, write_section
from benchmarks.served_models import store_model
from infra.docker.processes import Replica, nginx, replicas
from registry.workspace import Workspace

MODEL = "mobilenet_v2"
IMAGE = (500, 375, 60_000)  # width, height, most bytes
REPLICAS, CLIENTS = 2, 8
SECONDS, CAPACITY_SECONDS, KILL_EVERY_SECONDS = 120.0, 10.0, 5.0
# Every answer is the model's; a thread each, because the replicas share this machine.
SETTINGS = {"SIGHTLINE_CACHE_MEGABYTES": 0, "SIGHTLINE_THREADS": 1}


def main() -> None:
    write_section("replicas", report(SECONDS))


def report(seconds: float) -> str:
    """Half of what the pair carries, undisturbed and with kills, for that many seconds each."""
    width, height, max_bytes = IMAGE
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(Path(name) / "workspace")
        store_model(workspace, MODEL)
        variables = SETTINGS | {"SIGHTLINE_HOME": workspace.root}
        ports, port = [free_port() for _ in range(REPLICAS)], free_port()
        with (
            replicas(ports, Path(name), variables) as pair,
            nginx(ports, port=port, health_port=free_port()),
        ):
            image = photograph(width, height, max_bytes=max_bytes)
            return _measure(pair, Question(port, "/v1/classify", "image/jpeg", image), seconds)


def _measure(pair: Sequence[Replica], question: Question, seconds: float) -> str:
    capacity = record_closed_loop(question, clients=CLIENTS, seconds=CAPACITY_SECONDS)
    asked = capacity.counts[OK] / CAPACITY_SECONDS / 2
    quiet = open_loop(question, per_second=asked, seconds=seconds)
    with _killing(pair) as killed:
        disturbed = open_loop(question, per_second=asked, seconds=seconds)
    rows = [_row("none is killed", quiet), _row(f"{len(killed)} times one is killed", disturbed)]
    return (
        f"{MODEL}, {REPLICAS} replicas behind nginx, {asked:.0f} requests a second (half of what {CLIENTS}"
        f" clients get of the pair), {seconds:g} s each. Every {KILL_EVERY_SECONDS:g} s in which both are"
        " ready one is killed (kill -9) and started again.\n\n"
        + table(("", "requests", "failed", "how", "p50 ms", "p99 ms", "longest ms"), rows)
    )


def _row(name: str, record: Record) -> tuple[object, ...]:
    counts = record.counts
    failed = {outcome: count for outcome, count in counts.items() if outcome != OK}
    how = ", ".join(f"{outcome}: {count}" for outcome, count in failed.items()) or "-"
    figures = [f"{record.percentile_ms(percent):.1f}" for percent in (50, 99, 100)]
    return (name, f"{counts.total():,}", f"**{sum(failed.values())}**", how, *figures)


@contextmanager
def _killing(pair: Sequence[Replica]) -> Iterator[list[int]]:
    """The ports of those that were killed, in turn, while the block runs."""
    ended, killed, turn = threading.Event(), list[int](), itertools.cycle(pair)

    def kill() -> None:
        while not ended.wait(KILL_EVERY_SECONDS):
            if all(replica.is_ready() for replica in pair):
                victim = next(turn)
                victim.kill()
                victim.start()
                killed.append(victim.port)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    print(report(float(sys.argv[1])))

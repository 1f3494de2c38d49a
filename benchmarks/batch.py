"""Batch prediction beside decode and inference alone, in the same processes; two Ray nodes; kill, resume."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from benchmarks.batch_bare import Bare
from benchmarks.batch_cases import Case, make_cases
from benchmarks.record import ROOT, table, write_section
from vision.batch.engines import in_processes, on_ray
from vision.batch.part import PartDone
from vision.batch.plan import make_plan
from vision.batch.run import predict_plan
from vision.batch_config import BatchConfig

SMALL, PHOTOS = 100_000, 20_000
ROUNDS = 3
HEAD = (
    "images", "layout", "decode + inference alone, images/s", "sightline predict, images/s", "ratio, median",
    "ratio, range",
)  # fmt: skip
SIDES = (
    "A process has one thread. Both sides start their processes and open the model; ours also lists the"
    " images, hashes them, and writes answers, summary and page."
)


def main(small: int = SMALL, photos: int = PHOTOS, rounds: int = ROUNDS) -> None:
    write_section("batch", measure(small, photos, rounds))


def ray(rounds: int = ROUNDS) -> None:
    """Small images on Ray alone."""
    with tempfile.TemporaryDirectory() as folder:
        row = _ray_row(next(make_cases(Path(folder), SMALL, 0)), rounds)
    write_section("batch-ray", table(HEAD, [row]))


def measure(small: int, photos: int, rounds: int) -> str:
    """The section's text, of that many images of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        cases = list(make_cases(Path(folder), small, photos))
        rows = [_row(case, count, rounds) for case in cases for count in (1, 2)]
        rows += [_ray_row(case, rounds) for case in cases]
        killed = [_kill_and_resume(case) for case in cases]
    counted = table(("images", "killed (SIGKILL) after", "rows", "rows lost", "rows doubled"), killed)
    return f"{table(HEAD, rows)}\n\n{SIDES}\n\n{counted}"


def _row(case: Case, processes: int, rounds: int) -> list[object]:
    engine = {"engine": "processes", "processes": processes}
    return _compare(case, f"{processes} process{'es' * (processes > 1)}", engine, in_processes, rounds)


def _ray_row(case: Case, rounds: int) -> list[object]:
    with _two_nodes() as address:
        return _compare(case, "2 Ray nodes", {"engine": "ray", "address": address}, on_ray, rounds)


def _compare(
    case: Case, layout: str, engine: dict[str, Any], run: Callable[..., Iterator[PartDone]], rounds: int
) -> list[object]:
    """Both take turns, each first every other time."""
    pairs = []
    for turn in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            config = BatchConfig(paths=(str(case.folder),), output=f"{folder}/ours", **engine)
            plan = make_plan(config.model_copy(update={"output": f"{folder}/bare"}), case.model)
            ours: Callable[[], object] = lambda: predict_plan(make_plan(config, case.model), config)  # noqa: E731, B023
            bare: Callable[[], object] = lambda: list(run(Bare(plan), range(plan.parts), config))  # noqa: E731, B023
            pairs.append(
                (_seconds(bare), _seconds(ours)) if turn % 2 else (_seconds(ours), _seconds(bare))[::-1]
            )
    ratios = sorted(alone / whole for alone, whole in pairs)
    alone, whole = (plan.images / median(times) for times in zip(*pairs, strict=True))
    return [
        case.name, layout, f"{alone:,.0f}", f"{whole:,.0f}", f"**{median(ratios):.2f}**",
        f"{ratios[0]:.2f} to {ratios[-1]:.2f}",
    ]  # fmt: skip


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@contextmanager
def _two_nodes() -> Iterator[str]:
    """The address of a Ray cluster of two nodes of one processor each, on this machine."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "180"}
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
        yield cluster.address
    finally:
        cluster.shutdown()


def _kill_and_resume(case: Case) -> list[object]:
    """The command, killed when a third of the parts is there, and once more; its rows are counted."""
    with tempfile.TemporaryDirectory() as home:
        output = Path(home) / "answers"
        command = _command(case, output, Path(home) / "run.yaml")
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        parts = sum(1 for _ in case.folder.rglob("*.*")) // BatchConfig().part_images
        while len(list(output.glob("part-*"))) < parts // 3 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed = len(list(output.glob("part-*")))
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        paths = pd.read_parquet(output, columns=["path"])["path"]
    named = {str(path) for path in case.folder.rglob("*.*")}
    lost, doubled = len(named - set(paths)), int(paths.duplicated().sum())
    return [case.name, f"{killed} of {parts} files", f"{len(paths):,}", f"**{lost}**", f"**{doubled}**"]


def _command(case: Case, output: Path, config: Path) -> Sequence[str]:
    config.write_text("parameters: {config: {name: digits}}\n")
    sightline = str(Path(sys.executable).parent / "sightline")
    options = ("--model", case.model.folder, "--output", str(output), "--config", str(config))
    return [sightline, "predict", str(case.folder), *options]


if __name__ == "__main__":
    main()

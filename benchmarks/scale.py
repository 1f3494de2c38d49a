"""A billion images a day, on paper: unit costs that are measured here, and what they come to.

Only the unit costs are measured. The rest is arithmetic on them and on the assumptions that stand first.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from benchmarks.load import closed_loop
from benchmarks.record import table, write_section
from benchmarks.serving_plan import NO_CACHE, Case, Plan, in_process
from registry.bundles import load_bundle
from registry.pointer import ChampionPointer
from registry.prediction_files import grouped, part_of, predictions_folder, write_file
from registry.prediction_rows import Answered, Prediction
from registry.predictions import new_prediction_id, read_predictions
from registry.workspace import Workspace

IMAGES, SECONDS_A_DAY = 1_000_000_000, 86_400
# Assumed, none of it measured: the busiest second beside the mean, processors that may be busy, price of one.
PEAK, BUSY, DOLLARS_A_CORE_HOUR = 2.0, 0.6, 0.04
CORES_A_MACHINE, DAYS_KEPT = 32, 30
CLIENTS, SECONDS, ROUNDS = 8, 5.0, 3
CLASSES, ROWS, FILE_ROWS = 100, 200_000, 4096


@dataclass(frozen=True)
class Costs:
    """Of one image: core-seconds in process and through the service, its bytes, and its row in the log."""

    alone: float
    served: float
    image_bytes: int
    row_bytes: float
    rows_read_a_second: float
    bytes_a_row_in_memory: float


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), ROUNDS, SECONDS, 0)
        costs = measure(plan, plan.case("mobilenet_v2", 500, 375, 60_000), Workspace(Path(folder) / "log"))
    write_section("scale", f"{_units(costs)}\n\n{_day(costs)}")


def measure(plan: Plan, case: Case, log: Workspace) -> Costs:
    cores = os.cpu_count() or 1
    classifier = load_bundle(case.bundle)
    with case.service(**NO_CACHE) as service:
        alone, served = [], []
        for _ in range(plan.rounds):
            alone.append(in_process(classifier, case.image, threads=cores, seconds=plan.seconds).per_second)
            answered = closed_loop(service.question, clients=CLIENTS, seconds=plan.seconds)
            served.append(answered.per_second)
    return Costs(cores / median(alone), cores / median(served), len(case.image), *_log(log))


def _log(workspace: Workspace) -> tuple[float, float, float]:
    """Bytes a row on disk, rows read a second by one look, and bytes that a row takes in its memory."""
    for number in range(ROWS // FILE_ROWS):
        for rows in grouped([_row(place) for place in range(FILE_ROWS)]):
            write_file(workspace, [part_of(rows)], number)
    written = ROWS // FILE_ROWS * FILE_ROWS
    size = sum(path.stat().st_size for path in predictions_folder(workspace).rglob("*.parquet"))
    process, begin = psutil.Process(), time.perf_counter()
    before = process.memory_info().rss
    found = read_predictions(workspace, "model")
    seconds, grown = time.perf_counter() - begin, process.memory_info().rss - before
    assert len(found) == written
    return size / written, written / seconds, grown / written


def _row(place: int) -> Prediction:
    """As the service logs it: random probabilities, which hardly compress, as those of real answers."""
    random = np.random.default_rng(place)
    probabilities = random.dirichlet(np.full(CLASSES, 0.1)).astype(np.float32)
    names = tuple(f"class {number}" for number in range(CLASSES))
    chosen = names[int(probabilities.argmax())]
    return Prediction(
        id=new_prediction_id(),
        time=int(time.time() * 1000),
        answered=Answered(ChampionPointer("model", 1, "d" * 64), "champion", "multi_class", names, (chosen,)),
        sha256=random.bytes(32).hex(),
        probabilities=probabilities,
        energy=float(random.normal()),
        unusual=False,
        abstain=False,
        prediction_set=(chosen,),
        cached=False,
        decode_seconds=float(random.random()),
        infer_seconds=float(random.random()),
    )


def _units(costs: Costs) -> str:
    rows = [
        ("decode and inference alone, core-ms an image", f"{1000 * costs.alone:.2f}"),
        (
            f"through the service with {CLIENTS} clients, theirs included, core-ms",
            f"{1000 * costs.served:.2f}",
        ),
        ("image, KB", f"{costs.image_bytes / 1000:.0f}"),
        (f"row of the log, {CLASSES} classes, bytes on disk", f"{costs.row_bytes:.0f}"),
        ("rows of the log that one look reads, a second", f"{costs.rows_read_a_second:,.0f}"),
        ("memory of a row that a look reads, bytes", f"{costs.bytes_a_row_in_memory:,.0f}"),
    ]
    return table(("measured", ""), rows)


def _day(costs: Costs) -> str:
    mean = IMAGES / SECONDS_A_DAY
    cores = {name: mean * cost / BUSY for name, cost in (("batch", costs.alone), ("served", costs.served))}
    peak = cores["served"] * PEAK
    rows = [
        ("images a second, mean and peak", f"{mean:,.0f}, {mean * PEAK:,.0f}"),
        ("as a batch: cores, machines, dollars a day", _bill(cores["batch"])),
        ("through the service, sized for the peak: cores, machines, dollars a day", _bill(peak)),
        ("images in, Gbit/s at the peak", f"{mean * PEAK * costs.image_bytes * 8 / 1e9:.1f}"),
        ("log, GB a day", f"{IMAGES * costs.row_bytes / 1e9:,.0f}"),
        (
            "one image in a hundred kept, TB in 30 days",
            f"{0.01 * IMAGES * costs.image_bytes * DAYS_KEPT / 1e12:.1f}",
        ),
        ("a look at one day, hours", f"{IMAGES / costs.rows_read_a_second / 3600:.1f}"),
        ("memory of that look, GB", f"{IMAGES * costs.bytes_a_row_in_memory / 1e9:,.0f}"),
        ("rows that a look can take in 64 GB", f"{64e9 / costs.bytes_a_row_in_memory:,.0f}"),
    ]
    assumed = (
        f"Assumed: {IMAGES:,} images a day, a peak of {PEAK:g} times the mean, processors {BUSY:.0%} busy,"
        f" machines of {CORES_A_MACHINE} cores, {DOLLARS_A_CORE_HOUR} dollars a core-hour."
    )
    return f"{table(('computed', ''), rows)}\n\n{assumed}"


def _bill(cores: float) -> str:
    machines = -(-cores // CORES_A_MACHINE)
    dollars = machines * CORES_A_MACHINE * 24 * DOLLARS_A_CORE_HOUR
    return f"{cores:,.0f}, {machines:.0f}, {dollars:,.0f}"


if __name__ == "__main__":
    main()

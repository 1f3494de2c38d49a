"""How fast the service is beside decoding and inference alone, and beside other servers of the same model.

What is compared takes turns in one run. Client and server share the processors, so that every figure is of
both. `python -m benchmarks.serving PART ...` measures some parts only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks import endurance
from benchmarks.load import closed_loop
from benchmarks.question import Answered
from benchmarks.record import table, write_section
from benchmarks.servers import SERVERS
from benchmarks.serving_choices import measure_choices
from benchmarks.serving_plan import (
    CLIENTS,
    FIGURES,
    NO_CACHE,
    WARM_SECONDS,
    Case,
    Plan,
    figures,
    in_process,
    times_as_many,
)
from registry.bundles import load_bundle

# Architecture; width, height and bytes of the image; runtime.
USUAL = ("mobilenet_v2", 500, 375, 60_000, "litert")
CASES = (
    USUAL,
    ("mobilenet_v2", 500, 375, 60_000, "openvino"),
    ("reference_a", 500, 375, 60_000, "litert"),
    ("mobilenet_v2", 4000, 3000, 2_000_000, "litert"),
)
REPEATS = 0.9


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each load in a round")
    parser.add_argument("--minutes", type=float, default=10, help="of the overload")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), given.rounds, given.seconds, given.minutes)
        for name in given.parts or PARTS:
            write_section(f"serving-{name}", PARTS[name](plan))


def against_the_limit(plan: Plan) -> str:
    """Ours without its cache, beside decoding and inference alone in this process."""
    return "\n\n".join(
        f"**{name}, {runtime}, a JPEG of {width}x{height}**:"
        f" {_against_the_limit(plan, plan.case(name, width, height, size, runtime))}"
        for name, width, height, size, runtime in CASES
    )


def _against_the_limit(plan: Plan, case: Case) -> str:
    classifier, threads = load_bundle(case.bundle), os.cpu_count() or 1
    in_process(classifier, case.image, threads=threads, seconds=WARM_SECONDS)
    loads: dict[int, list[Answered]] = {clients: [] for clients in CLIENTS}
    alone: list[Answered] = []
    limit: list[Answered] = []
    with case.service(**NO_CACHE) as ours:
        for _ in range(plan.rounds):
            alone.append(in_process(classifier, case.image, threads=1, seconds=plan.seconds))
            limit.append(in_process(classifier, case.image, threads=threads, seconds=plan.seconds))
            for clients, answers in loads.items():
                answers.append(closed_loop(ours.question, clients=clients, seconds=plan.seconds))
        weight = ours.megabytes
    rows = [("in process, one at a time", alone), (f"in process, {threads} threads", limit)]
    rows += [(f"service, clients: {clients}", answers) for clients, answers in loads.items()]
    slower = median(asked.p50_ms / called.p50_ms for asked, called in zip(loads[1], alone, strict=True))
    shown = [(name, *figures(answers), f"{times_as_many(answers, limit):.2f}") for name, answers in rows]
    return (
        f"{len(case.image):,} bytes; ready in {ours.ready_seconds:.1f} s, {weight:.0f} MiB of memory; p50 at"
        f" one client is **{slower:.2f}** times that in process.\n\n"
        + table(("", *FIGURES, "of the limit"), shown)
    )


def with_cache(plan: Plan) -> str:
    """Where most requests are repeats: ours as it comes, beside ours without a cache."""
    rows: list[tuple[object, ...]] = []
    case, new = plan.case(*USUAL), 1 - REPEATS
    with case.service(new=new) as cached, case.service(new=new, **NO_CACHE) as plain:
        for clients in CLIENTS:
            quick, slow = plan.in_turn((cached, plain), clients)
            rows.append(("with", clients, *figures(quick), f"**{times_as_many(quick, slow):.1f}**"))
            rows.append(("without", clients, *figures(slow), ""))
    head = ("cache", "clients", *FIGURES, "times as fast")
    return f"{REPEATS:.0%} of the requests are repeats.\n\n{table(head, rows)}"


def beside_others(plan: Plan) -> str:
    """Each other server in turn with ours, which has no cache."""
    rows: list[tuple[object, ...]] = []
    missing: list[str] = []
    case = plan.case(*USUAL)
    with case.service(**NO_CACHE) as ours:
        for server in SERVERS:
            if not server.is_installed:
                missing.append(f"{server.name} was not measured: {server.python} has no {server.library}.")
                continue
            with case.other(server) as theirs:
                for clients in CLIENTS:
                    others, own = plan.in_turn((theirs, ours), clients)
                    rows.append((
                        server.name, clients, *figures(others), f"**{times_as_many(own, others):.2f}**",
                        f"{theirs.megabytes:.0f}", f"{theirs.ready_seconds:.1f}",
                    ))  # fmt: skip
    head = ("server", "clients", *FIGURES, "times as many by ours", "MiB", "ready, s")
    return "\n\n".join([table(head, rows), *missing])


def overload(plan: Plan) -> str:
    with plan.case(*USUAL).service(**NO_CACHE) as ours:
        return endurance.overload(ours, plan.minutes)


def killed(plan: Plan) -> str:
    with plan.case(*USUAL).service(workers=2, **NO_CACHE) as ours:
        return endurance.killed(ours)


def choices(plan: Plan) -> str:
    return measure_choices(plan, plan.case(*USUAL))


PARTS: dict[str, Callable[[Plan], str]] = {
    "limit": against_the_limit,
    "choices": choices,
    "cache": with_cache,
    "beside": beside_others,
    "overload": overload,
    "killed": killed,
}

if __name__ == "__main__":
    main(sys.argv[1:])

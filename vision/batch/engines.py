"""Where parts are predicted: in processes of this machine, or on a cluster. Each is a row of a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING

from vision.errors import DataError

if TYPE_CHECKING:
    from vision.batch.part import PartDone
    from vision.batch_config import BatchConfig

# What is done with a part, in whichever process.
Work = Callable[[int], "PartDone"]
Engine = Callable[[Work, Sequence[int], "BatchConfig"], Iterator["PartDone"]]


def in_processes(work: Work, parts: Sequence[int], config: BatchConfig) -> Iterator[PartDone]:
    """The parts as they are done, by config.batch.processes of one thread each.

    A single part is not worth a process and is done in this one. DataError where a process dies.
    """
    if len(parts) == 1:
        yield work(parts[0])
        return
    # Of loky, not of concurrent.futures: its processes do not import the program's main module.
    from joblib.externals.loky import ProcessPoolExecutor

    from vision.batch.opening import ONE_THREAD

    count = min(config.processes or os.cpu_count() or 1, len(parts))
    pool = ProcessPoolExecutor(count, env=ONE_THREAD, initializer=_begin, initargs=(os.getpid(),))
    left = iter(parts)
    try:
        running = {pool.submit(work, part) for part in islice(left, 2 * count)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(work, part) for part in islice(left, len(done))}
            yield from (future.result() for future in done)
    except BrokenExecutor as error:
        raise DataError(
            "a process died, most likely for lack of memory; what is finished is kept: run the same again,"
            " with more memory or with fewer --processes (config.batch.processes)"
        ) from error
    finally:
        pool.shutdown(kill_workers=True)


def on_ray(work: Work, parts: Sequence[int], config: BatchConfig) -> Iterator[PartDone]:
    """The parts as they are done, on the Ray cluster at config.batch.address."""
    from vision.batch.ray_engine import on_ray

    return on_ray(work, parts, config.address)


def _begin(parent: int) -> None:
    from vision.batch.opening import end_with_parent, take_processor

    end_with_parent(parent)
    take_processor()


ENGINES: dict[str, Engine] = {"processes": in_processes, "ray": on_ray}

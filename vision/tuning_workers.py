"""Where trials and folds are trained: in this process one at a time, in worker processes, or on Ray.

Threads gain nothing, because Python's lock is held between TensorFlow's operations.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from vision.workers_config import WorkersConfig

Result = TypeVar("Result")

# What was trained when a process died is trained again, but it may be what takes all the memory.
MOST_ATTEMPTS = 3

# Read when a library is imported; without them each worker would start a thread for every core.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
SECONDS_BETWEEN_LOOKS = 1.0


class Worker(Protocol):
    """Runs one call at a time; if its process dies, the call's future raises BrokenExecutor."""

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Future[Result]: ...

    def shutdown(self, *, kill_workers: bool) -> None: ...


def open_worker(config: WorkersConfig) -> Worker:
    """One of the workers that `config` asks for."""
    if config.engine == "ray":
        from vision.ray_workers import RayWorker

        return RayWorker(cpus=config.worker_cpus, gpus=config.worker_gpus)
    return start_worker(config.processes)


def start_worker(count: int) -> Worker:
    """One of `count` workers: this process where it is the only one, else a new one with its share of cores.

    A pool of one process each, because where one process dies a pool loses the work of all.
    """
    if count == 1:
        return _ThisProcess()
    # Of loky, not of concurrent.futures: its processes do not import the program's main module.
    from joblib.externals.loky import ProcessPoolExecutor

    threads = str(max(1, (os.cpu_count() or 1) // count))
    # TTY_COMPATIBLE: no progress bars, which would overwrite each other; Rich prints lines instead.
    environment = {**dict.fromkeys(THREADS, threads), "TTY_COMPATIBLE": "0"}
    worker: Worker = ProcessPoolExecutor(
        1, env=environment, initializer=_end_with_parent, initargs=(os.getpid(),)
    )
    return worker


class _ThisProcess:
    """Has run a call when `submit` returns."""

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, *, kill_workers: bool) -> None:
        pass


def _end_with_parent(parent: int) -> None:
    """A worker whose parent was killed would train on unseen, and report to a study that went on."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

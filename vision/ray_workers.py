"""Trainings on a Ray cluster that runs already: each goes to a node that has the cores and GPUs for it.

Only this file speaks to Ray's tasks. Files are not sent: the nodes see the workspace's folder at its own
path, and have the same release of the code.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from functools import cache
from typing import Any, TypeVar

from vision.errors import ConfigError
from vision.tuning_workers import THREADS

logger = logging.getLogger("sightline.training")
Result = TypeVar("Result")

VARIABLE = "RAY_ADDRESS"
# A training that asked for no GPU is to see none, or it would take those of another.
HIDE_GPUS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
# Ray itself tries for minutes, and then ends the process.
CONNECT_TIMEOUT_SECONDS = 10


class RayWorker:
    """Runs one call at a time on any node; a call waits until a node has room."""

    def __init__(self, *, cpus: int, gpus: float) -> None:
        """ConfigError where RAY_ADDRESS names no cluster that can be used."""
        connect()
        import ray

        _warn_if_none_fits(cpus, gpus)
        environment = {**dict.fromkeys(THREADS, str(cpus)), "TTY_COMPATIBLE": "0", **HIDE_GPUS}
        # Who submits decides whether it is tried again: a trial of a dead node is told to its study first.
        remote = ray.remote(
            num_cpus=cpus, num_gpus=gpus, max_retries=0, runtime_env={"env_vars": environment}
        )
        self._remote = remote(_call)
        self._running: Any = None

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Future[Result]:
        ended: Future[Result] = Future()
        self._running = self._remote.remote(function, *arguments)
        self._running.future().add_done_callback(lambda done: _settle(done, ended))
        return ended

    def shutdown(self, *, kill_workers: bool) -> None:
        import ray

        if self._running is not None:
            ray.cancel(self._running, force=kill_workers)  # nothing happens where it has ended


def connect() -> None:
    """This process is a driver of the cluster; ConfigError where there is none."""
    address = os.environ.get(VARIABLE, "")
    _check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level="WARNING")
    except (RuntimeError, ConnectionError, ValueError) as error:  # other versions of Ray or Python, too
        raise ConfigError(f"the Ray cluster {address} cannot be used: {error}; {_where()}") from error


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal() or "/" in address:
        raise ConfigError(f'{VARIABLE} is "{address}", allowed is HOST:PORT, or auto on a node; {_where()}')
    try:
        socket.create_connection((host, int(port)), CONNECT_TIMEOUT_SECONDS).close()
    except OSError as error:
        raise ConfigError(f"no Ray cluster answers at {address} ({error}); {_where()}") from error


@cache  # one warning, however many workers
def _warn_if_none_fits(cpus: int, gpus: float) -> None:
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        logger.warning(
            "no node of the Ray cluster has %d cores and %g GPUs: trainings wait until one joins; or change"
            " worker_cpus and worker_gpus (config.tune, config.cross_validate)", cpus, gpus,
        )  # fmt: skip


def _where() -> str:
    return (
        f"start one with `ray start --head --disable-usage-stats`, set {VARIABLE} to its address, or set"
        " engine: processes (config.tune, config.cross_validate)"
    )


def _call(function: Callable[..., Result], *arguments: Any) -> Result:
    return function(*arguments)


def _settle(done: Future[Result], ended: Future[Result]) -> None:
    """An error of the function is its own; one of Ray says that process or node died."""
    from ray.exceptions import RayError, RayTaskError

    error = done.exception()
    if error is None:
        ended.set_result(done.result())
    elif isinstance(error, RayTaskError):
        error.cause.__cause__ = error  # it shows where, on the node
        ended.set_exception(error.cause)
    elif isinstance(error, RayError):
        ended.set_exception(BrokenExecutor(str(error)))
    else:
        ended.set_exception(error)

"""Parts on a Ray cluster that runs already, by Ray Data. The only file that imports Ray.

Each actor holds one processor and opens the classifier once. Parts of a machine that is lost are predicted on
the others: a part that was written meanwhile is written again, with the same rows.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vision import errors
from vision.batch.part import PartDone
from vision.errors import ConfigError, SightlineError

Work = Callable[[int], PartDone]

CONNECT_SECONDS = 10.0


class PartActor:
    """What Ray makes once in each of its processes."""

    def __init__(self, work: Work) -> None:
        from vision.batch.opening import take_processor

        take_processor()
        self._work = work

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """The columns of PartDone, a row a part, and of an error of ours its class and message.

        As data, because Ray would wrap it in others and lose it on the way.
        """
        (part,) = batch["part"].tolist()
        done, error = PartDone(part, 0, 0), None
        try:
            done = self._work(part)
        except SightlineError as raised:
            error = raised
        row = {**done._asdict(), "error": type(error).__name__ if error else "", "message": str(error or "")}
        return {name: [value] for name, value in row.items()}


def on_ray(work: Work, parts: Sequence[int], address: str) -> Iterator[PartDone]:
    """The parts as they are done; ConfigError without a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    _refuse_unreachable(address)
    import ray

    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(ray, address)
    try:
        for row in _stream(ray, work, parts).iter_rows():
            if row["error"]:
                raise getattr(errors, row["error"])(row["message"])
            yield PartDone(row["part"], row["images"], row["unreadable"])
    finally:
        if is_ours:
            ray.shutdown()


def _refuse_unreachable(address: str) -> None:
    """At once; Ray would wait a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            raise _no_cluster(address, error) from error


def _connect(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> ConfigError:
    reason = str(error).strip().splitlines()[0]
    return ConfigError(
        f'no Ray cluster at "{address}" ({reason}): start one with `ray start --head`, or set'
        " --address or config.batch.address"
    )


def _stream(ray: Any, work: Work, parts: Sequence[int]) -> Any:
    """A Ray Dataset: a block a part, so that each goes to whichever actor is free."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    workers = max(1, min(len(parts), int(ray.cluster_resources().get("CPU", 1))))
    blocks = ray.data.from_items([{"part": part} for part in parts], override_num_blocks=len(parts))
    return blocks.map_batches(
        PartActor,
        fn_constructor_args=(work,),
        batch_size=1,
        num_cpus=1,
        # All at once, and no fewer than one: actors of a machine that is lost are not waited for.
        concurrency=(1, workers, workers),
    )

"""Several workers at work: who is free, what has ended, and another one in the place of one that died."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from types import TracebackType
from typing import Any, Self, TypeVar

from vision.errors import SightlineError
from vision.tuning_workers import MOST_ATTEMPTS, open_worker
from vision.workers_config import WorkersConfig

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerPool:
    """`config.processes` workers with one call each; they are ended with the block."""

    def __init__(self, config: WorkersConfig) -> None:
        self._config = config
        self._workers = [open_worker(config) for _ in range(config.processes)]
        self._idle = list(range(config.processes))
        self._places: dict[Future[Any], int] = {}

    @property
    def has_room(self) -> bool:
        return bool(self._idle)

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Future[Result]:
        """Begins a call on a free worker; if its process dies, the future raises BrokenExecutor."""
        place = self._idle.pop()
        try:
            future = self._workers[place].submit(function, *arguments)
        except BrokenExecutor:  # it died while it was idle
            self._workers[place] = open_worker(self._config)
            future = self._workers[place].submit(function, *arguments)
        self._places[future] = place
        return future

    def wait(self, seconds: float | None = None) -> set[Future[Any]]:
        """The calls that have ended, as soon as one has; none after so many seconds."""
        ended = wait(self._places, timeout=seconds, return_when=FIRST_COMPLETED).done
        for future in ended:
            place = self._places.pop(future)
            if isinstance(future.exception(), BrokenExecutor):
                self._workers[place] = open_worker(self._config)
            self._idle.append(place)
        return ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.shutdown(kill_workers=True)


def run_all(
    function: Callable[[Item], Result], items: Iterable[Item], config: WorkersConfig
) -> Iterator[Result]:
    """Results in the order in which they are ready; one worker: in that of the items.

    The item of a process that died is tried again; SightlineError after MOST_ATTEMPTS.
    """
    left = [(item, 1) for item in items]
    running: dict[Future[Result], tuple[Item, int]] = {}
    with WorkerPool(config) as pool:
        while left or running:
            while left and pool.has_room:
                item, attempt = left.pop(0)
                running[pool.submit(function, item)] = item, attempt
            for future in pool.wait():
                item, attempt = running.pop(future)
                if not isinstance(future.exception(), BrokenExecutor):
                    yield future.result()
                elif attempt < MOST_ATTEMPTS:
                    left.insert(0, (item, attempt + 1))
                else:
                    raise SightlineError(_died(item, config)) from future.exception()


def _died(item: object, config: WorkersConfig) -> str:
    return (
        f"the process of training {item} died {MOST_ATTEMPTS} times, most likely for lack of memory; choose a"
        " smaller network (config.model) or batch (config.train.batch_size), or train fewer at the same time:"
        f" processes is {config.processes}"
    )

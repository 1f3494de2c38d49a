"""One call for each item, on all cores, with a progress bar that shows the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vision.errors import DataError
from vision.processors import usable_processors

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], *, description: str
) -> list[Result]:
    """Results in the order of the items; for work that releases Python's lock, as decoding does."""
    results: list[Result] = []
    pool = ThreadPoolExecutor(usable_processors())
    try:
        with progress_bar(visible=bool(items)) as bar:
            task = bar.add_task(description, total=len(items))
            for result in pool.map(function, items):
                results.append(result)
                bar.advance(task)
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def map_in_processes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    description: str,
    sizes: Sequence[int] | None = None,
) -> Iterator[Result]:
    """Results in the order in which they are ready; the first exception ends the work and is raised.

    `sizes` says how many images each item is, for the bar. Items and results travel between processes:
    keep them small. A single item is not worth a process (they take half a second to start) and is
    done in this one. joblib's workers do not import the program's main module, as multiprocessing's do.
    """
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    counts = list(sizes or [1] * len(items))
    jobs = 1 if len(items) == 1 else usable_processors()
    numbered = delayed(_with_place)
    with progress_bar(visible=bool(items)) as bar:
        task = bar.add_task(description, total=sum(counts))
        try:
            work = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs")
            for place, result in work(numbered(function, place, item) for place, item in enumerate(items)):
                bar.advance(task, counts[place])
                yield result
        except TerminatedWorkerError as error:
            raise DataError(
                f"{description} ended because a worker process died, most likely for lack of memory:"
                f" {error}; give the machine more memory, or set a smaller config.prepare.max_pixels"
            ) from error


def _with_place(function: Callable[[Item], Result], place: int, item: Item) -> tuple[int, Result]:
    return place, function(item)


def progress_bar(*, visible: bool = True) -> Progress:
    """A bar with count and time left, on standard error, and only where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not (visible and console.is_terminal))

"""The challenger in the champion's shadow: it is shown the same images, and no client ever waits for it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from serving.classified import Classified
from serving.engine import Engine
from serving.versions.champion import Served

logger = logging.getLogger("sightline.shadow")

# Images that may wait, with their encoded bytes; a shadow that is that far behind misses some.
QUEUE = 8
LOWEST_PRIORITY = 19


class Shadow:
    """An engine.Observer. `classify` tells the other observers, `challenger` gives a model's shadow, if any.

    Counted events: shadow_agreed and shadow_differed (the classes named), shadow_dropped, shadow_failed.
    """

    def __init__(
        self,
        classify: Callable[[Served, bytes], Classified],
        *,
        challenger: Callable[[str], Served | None],
        count: Callable[[str], None],
    ) -> None:
        self._classify, self._challenger, self._count = classify, challenger, count
        self._room = threading.BoundedSemaphore(QUEUE)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shadow", initializer=_yield_to_others)
        self._complained_of = ""

    @classmethod
    def of(cls, engine: Engine) -> Shadow:
        """For an engine that tells the others; the one that answers clients has this observer besides."""
        return cls(engine.classify, challenger=engine.fleet.shadow, count=engine.metrics.count)

    def classified(self, answer: Classified, data: bytes) -> None:
        if answer.served.arm != "champion":
            return
        served = self._challenger(answer.served.pointer.model)
        if served is None:
            return
        if not self._room.acquire(blocking=False):
            self._count("shadow_dropped")
            return
        self._thread.submit(self._answer, served, data, frozenset(answer.names))

    def close(self) -> None:
        """Ends the image that it is at; after the threads that classify."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _answer(self, served: Served, data: bytes, names: frozenset[str]) -> None:
        try:
            agreed = names == frozenset(self._classify(served, data).names)
            self._count("shadow_agreed" if agreed else "shadow_differed")
        except Exception:  # whatever the challenger does, the champion goes on
            self._count("shadow_failed")
            self._complain(served)
        finally:
            self._room.release()

    def _complain(self, served: Served) -> None:
        """Once a version: it may fail at every image."""
        pointer = served.pointer
        if self._complained_of != pointer.digest:
            logger.exception("%s version %d fails in the shadow", pointer.model, pointer.version)
        self._complained_of = pointer.digest


def _yield_to_others() -> None:
    """Linux has a priority a thread. Beside two busy threads it took 262 images where its equal took 709."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)

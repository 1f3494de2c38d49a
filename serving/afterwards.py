"""What nobody waits for: counting, and the log's lines.

Many in a row find what they need in the processor's caches; one between two images finds nothing there.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("sightline.afterwards")

TICK_SECONDS = 0.25
# Of a tick, at 20,000 a second: who finds more waiting does it all.
MOST_WAITING = 16_384


class Afterwards:
    """Calls that were put down, in order, by a thread; before its start and after its end, at once."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._lock = threading.RLock()  # a call may put down another
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def put(self, call: Callable[[], None]) -> None:
        self._calls.append(call)
        if self._thread is None or len(self._calls) > MOST_WAITING:
            self.settle()

    def settle(self) -> None:
        """Returns when all that was put down until now is done."""
        with self._lock:
            for _ in range(len(self._calls)):
                call = self._calls.popleft()
                try:
                    call()
                except Exception:  # the others are not at fault
                    logger.exception("what was to be counted or logged is lost")

    def start(self) -> None:
        self._thread = threading.Thread(target=self._follow, name="afterwards", daemon=True)
        self._thread.start()

    def close(self) -> None:
        thread, self._thread = self._thread, None
        self._stopped.set()
        if thread:
            thread.join()

    def _follow(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            self.settle()
        self.settle()

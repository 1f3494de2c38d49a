"""Images kept beside the prediction log, as they were sent: a share of them, for some days, in bounded space.

Off unless asked for. The hash of the prediction's id decides which, so that an image that ought to be there
can be told from one that was never kept. Those that the model doubts can be kept all, for `sightline review`.

    kept_images/date=YYYY-MM-DD/ID
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from registry.prediction_files import drawn, kept_images_folder, trim, whole_file
from registry.workspace import Workspace
from serving.classified import Classified
from serving.observers.metrics import Metrics
from serving.settings import MEGABYTE, Settings

logger = logging.getLogger("sightline.images")

# Memory of the images that wait for the disk; more are not kept.
WAITING_BYTES = 32 * MEGABYTE
TRIM_SECONDS = 60.0
DROPPED = "image_dropped"
SECONDS_A_DAY = 24 * 60 * 60


class KeptImages:
    """An engine.Observer. `count` is told the event "image_dropped"."""

    def __init__(
        self,
        folder: Path,
        *,
        share: float,
        days: float,
        megabytes: float,
        count: Callable[[str, float], None],
        doubtful: bool = False,
    ) -> None:
        self._folder, self._share, self._count, self._doubtful = folder, share, count, doubtful
        self._seconds, self._max_bytes = days * SECONDS_A_DAY, megabytes * MEGABYTE
        self._queue: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting_bytes = self._untrimmed_bytes = 0
        self._trimmed = time.monotonic()
        self._failing = False
        self._thread = threading.Thread(target=self._follow, name="kept-images", daemon=True)

    @classmethod
    def from_settings(cls, settings: Settings, workspace: Workspace, metrics: Metrics) -> Self | None:
        """None where no image is to be kept and none is left of before, whose days must still end."""
        folder = kept_images_folder(workspace)
        if settings.keep_images == 0 and not settings.keep_doubtful and not folder.exists():
            return None
        return cls(
            folder,
            share=settings.keep_images,
            days=settings.keep_images_days,
            megabytes=settings.log_megabytes,
            count=metrics.count,
            doubtful=settings.keep_doubtful,
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Returns when all images that wait are on the disk."""
        self._queue.put(None)
        self._thread.join()

    def classified(self, answer: Classified, data: bytes) -> None:
        # A shadow's image is the champion's.
        is_wanted = is_kept(answer.id, self._share) or (self._doubtful and is_doubtful(answer))
        if answer.served.arm == "shadow" or not is_wanted:
            return
        with self._lock:
            has_room = self._waiting_bytes + len(data) <= WAITING_BYTES
            self._waiting_bytes += len(data) if has_room else 0
        if has_room:
            self._queue.put((answer.id, data))
        else:
            self._count(DROPPED, 1)

    def _follow(self) -> None:
        self._trim()
        while True:
            try:
                image = self._queue.get(timeout=TRIM_SECONDS)
            except queue.Empty:
                self._trim()
                continue
            if image is None:
                return
            self._keep(*image)
            if (
                self._untrimmed_bytes > self._max_bytes / 10
                or time.monotonic() > self._trimmed + TRIM_SECONDS
            ):
                self._trim()

    def _keep(self, prediction_id: str, data: bytes) -> None:
        day = datetime.now(UTC).date().isoformat()
        try:
            with whole_file(self._folder / f"date={day}" / prediction_id) as temporary:
                temporary.write_bytes(data)
            self._failing = False
        except OSError as error:
            self._count(DROPPED, 1)
            if not self._failing:
                logger.error("images are not kept: %s", error)
            self._failing = True
        self._untrimmed_bytes += len(data)
        with self._lock:
            self._waiting_bytes -= len(data)

    def _trim(self) -> None:
        self._untrimmed_bytes, self._trimmed = 0, time.monotonic()
        with suppress(OSError):  # a folder that cannot be changed is complained of when an image comes
            trim(self._folder, max_bytes=self._max_bytes, since=time.time() - self._seconds)


def is_kept(prediction_id: str, share: float) -> bool:
    """Whether the image of that prediction is one of the share."""
    return drawn(prediction_id) < share


def is_doubtful(answer: Classified) -> bool:
    """Whether the model abstained, or found the image unlike those it was trained on."""
    return bool(answer.judgement.abstains[0] or answer.judgement.unusual[0])

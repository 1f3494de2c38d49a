"""A progress bar over a whole training run, with the time that is left."""

from __future__ import annotations

import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0


class ProgressBar(keras.callbacks.Callback):
    """A bar on a terminal; a line every ten seconds where standard error is a file."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._first: int | None = None
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} epochs  {task.fields[scores]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("training", total=epochs, scores="")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._started = self._last_line = time.monotonic()
        self._progress.start()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._first is None:  # a training that goes on does not begin at 0
            self._first = epoch
            self._progress.reset(self._task, completed=epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        scores = "  ".join(
            f"{name} {logs[name]:.4f}"
            for name in ("loss", "val_loss", "val_accuracy", "val_average_precision")
            if logs and name in logs
        )
        self._progress.update(self._task, completed=epoch + 1, scores=scores)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line > SECONDS_BETWEEN_LINES:
            left = (now - self._started) / (epoch + 1 - (self._first or 0)) * (self._epochs - epoch - 1)
            self._console.print(
                f"training: epoch {epoch + 1}/{self._epochs}  {scores}  at most {left:.0f} s left",
                soft_wrap=True,
            )
            self._last_line = now

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._progress.stop()


class Stopwatch(keras.callbacks.Callback):
    """`seconds` of all epochs that have ended, those before an interruption included."""

    remembered = ("seconds",)

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._last = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.perf_counter()
        self.seconds += now - self._last
        self._last = now

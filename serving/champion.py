"""Which version answers: the champion's pointer, followed by a thread of its own.

A bundle is opened beside the one that serves, its hashes and golden vectors are checked, and then one
assignment swaps them: a request takes `served` once and is answered by that version alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from registry.bundles import load_bundle
from registry.pointer import MAKE_CHAMPION, ChampionPointer, bundle_path, read_pointer
from registry.workspace import Workspace
from vision.bundle import bundle_digest
from vision.classifier import ImageClassifier
from vision.errors import BundleError, ConfigError, NoChampion, SightlineError

logger = logging.getLogger("sightline.champion")

Arm = Literal["champion", "challenger", "shadow"]


@dataclass(frozen=True)
class Served:
    """The version that answers, whole."""

    pointer: ChampionPointer
    classifier: ImageClassifier
    arm: Arm = "champion"


class Source(Protocol):
    """Where the champion is looked up."""

    def pointer(self) -> ChampionPointer:
        """The version that is to answer; NoChampion, RegistryError or ConfigError where none is."""

    def folder(self, pointer: ChampionPointer) -> Path:
        """The folder of its bundle."""


@dataclass(frozen=True)
class RegistrySource:
    """The registry of a workspace; without a model's name, the only model that has a champion."""

    workspace: Workspace
    model: str | None = None

    def pointer(self) -> ChampionPointer:
        return read_pointer(self.workspace, self.model or self._only_model())

    def folder(self, pointer: ChampionPointer) -> Path:
        return bundle_path(self.workspace, pointer.model, pointer.version)

    def _only_model(self) -> str:
        models = sorted(path.parent.name for path in self.workspace.registry.glob("*/champion.json"))
        if not models:
            raise NoChampion(f"no model has a champion yet: {MAKE_CHAMPION}")
        if len(models) > 1:
            raise ConfigError(f"{len(models)} models have a champion: set SIGHTLINE_MODEL to one of {models}")
        return models[0]


class Champion:
    """Follows a source. `served` is None, and `reason` says why, until the first bundle is loaded."""

    def __init__(
        self,
        source: Source,
        *,
        poll_seconds: float,
        retry_seconds: float,
        on_swap: Callable[[Served], None] = lambda served: None,
        on_failure: Callable[[ChampionPointer], None] = lambda pointer: None,
    ) -> None:
        self.served: Served | None = None
        self.reason = "the champion is being loaded: ask again in a moment"
        self._source, self._on_swap, self._on_failure = source, on_swap, on_failure
        self._poll_seconds, self._retry_seconds = poll_seconds, retry_seconds
        self._failed: tuple[ChampionPointer, float] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="champion", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        self.refresh()
        while not self._stopped.wait(self._poll_seconds):
            self.refresh()

    def refresh(self) -> None:
        """Serves what the pointer names now. A version that cannot be loaded leaves the old one serving."""
        try:
            pointer = self._source.pointer()
        except SightlineError as error:
            self._say(str(error))
            return
        if self._is_new(pointer):
            self._swap(pointer)

    def _is_new(self, pointer: ChampionPointer) -> bool:
        if self.served and self.served.pointer == pointer:
            return False
        failed, since = self._failed or (None, 0.0)
        return pointer != failed or time.monotonic() - since >= self._retry_seconds

    def _swap(self, pointer: ChampionPointer) -> None:
        try:
            served = Served(pointer, open_served(self._source.folder(pointer), pointer))
        except Exception as error:  # whatever a model's file does, the old version goes on
            self._failed = (pointer, time.monotonic())
            logger.error("%s version %d cannot be served: %s", pointer.model, pointer.version, error)
            self._on_failure(pointer)
            # Clients read this reason: it names no path.
            self.reason = (
                f"version {pointer.version} of {pointer.model} could not be loaded, the log says why:"
                " promote another with `sightline promote VERSION`, or `sightline rollback`"
            )
            return
        self.served, self._failed = served, None
        self._on_swap(served)
        logger.info("%s version %d serves from now on", pointer.model, pointer.version)

    def _say(self, reason: str) -> None:
        if reason != self.reason:
            logger.warning("%s", reason)
        self.reason = reason


def open_served(folder: Path, pointer: ChampionPointer) -> ImageClassifier:
    """The classifier of the bundle that the pointer means; BundleError for any other, or an altered one."""
    if not folder.is_dir():
        raise BundleError(f"no bundle at {folder}")
    if bundle_digest(folder) != pointer.digest:
        raise BundleError(f"bundle {folder} is not the one that was promoted: its digest differs")
    return load_bundle(folder)

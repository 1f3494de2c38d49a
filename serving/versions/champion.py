"""One arm of a model: the version that the registry names for it, followed.

A bundle is opened beside the one that serves, its hashes and golden vectors are checked, and then one
assignment swaps them: a request takes `served` once and is answered by that version alone.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from registry.bundles import load_bundle
from registry.pointer import MAKE_CHAMPION, ChampionPointer, bundle_path, read_pointer
from registry.traffic import Traffic, read_traffic
from registry.workspace import Workspace
from vision.bundle import DESCRIPTION, bundle_digest
from vision.classifier import ImageClassifier
from vision.errors import BundleError, ConfigError, NoChampion

logger = logging.getLogger("sightline.champion")

Arm = Literal["champion", "challenger", "shadow"]


@dataclass(frozen=True)
class Served:
    """The version that answers, whole."""

    pointer: ChampionPointer
    classifier: ImageClassifier
    arm: Arm = "champion"
    size_bytes: int = 0  # of its model files


class Source(Protocol):
    """Where models and their versions are looked up. RegistryError, or what reading a file raises."""

    def default(self) -> str:
        """The model that answers where none is named; NoChampion or ConfigError where that is unclear."""

    def models(self) -> tuple[str, ...]:
        """The names of all that have a champion."""

    def pointer(self, model: str) -> ChampionPointer:
        """The model's champion; NoChampion where it has none."""

    def traffic(self, model: str) -> Traffic | None:
        """The model's challenger, and what it is to see."""

    def folder(self, pointer: ChampionPointer) -> Path:
        """The folder of that version's bundle."""


@dataclass(frozen=True)
class RegistrySource:
    """The registry of a workspace. `model` is the default; without it, the only model that has a champion."""

    workspace: Workspace
    model: str | None = None

    def default(self) -> str:
        models = [self.model] if self.model else self.models()
        if not models:
            raise NoChampion(f"no model has a champion yet: {MAKE_CHAMPION}")
        if len(models) > 1:
            named = ", ".join(models)
            raise ConfigError(f"{len(models)} models have a champion: set SIGHTLINE_MODEL to one of {named}")
        return models[0]

    def models(self) -> tuple[str, ...]:
        pointers = self.workspace.registry.glob("*/champion.json")
        return tuple(sorted(path.parent.name for path in pointers))

    def pointer(self, model: str) -> ChampionPointer:
        return read_pointer(self.workspace, model)

    def traffic(self, model: str) -> Traffic | None:
        return read_traffic(self.workspace, model)

    def folder(self, pointer: ChampionPointer) -> Path:
        return bundle_path(self.workspace, pointer.model, pointer.version)


class Watcher(Protocol):
    """Is told what is loaded: metrics.Metrics."""

    def serves(self, served: Served) -> None:
        """This version answers from now on; version 0: none does any more."""

    def failed(self, pointer: ChampionPointer) -> None:
        """That version could not be loaded."""

    def count(self, event: str) -> None:
        """It happened once more."""


class Follower:
    """Loads what it is told to follow. `served` is None, and `reason` says why, until a first version is."""

    def __init__(self, source: Source, arm: Arm, *, retry_seconds: float, watcher: Watcher) -> None:
        self.served: Served | None = None
        self.reason = f"the {arm} is being loaded: ask again in a moment"
        self._source, self._arm = source, arm
        self._retry_seconds, self._watcher = retry_seconds, watcher
        self._failed: tuple[ChampionPointer, float] | None = None
        self._is_bundle_gone = False

    def follow(self, pointer: ChampionPointer | None, *, max_bytes: float = float("inf")) -> None:
        """Serves that version, or none. One that cannot be loaded leaves the old one serving.

        `max_bytes` bounds its model files. Blocks while a bundle is loaded; for one thread at a time.
        """
        if pointer is None:
            self._end()
        elif self._is_new(pointer):
            self._swap(pointer, max_bytes)
        elif self.served and self.served.pointer == pointer:
            self.reason = ""  # what was wrong is mended: it is news if it comes again
            self._look_for_bundle(pointer)

    def say(self, reason: str, *, log: str = "") -> None:
        """Why nothing new is served. Clients read `reason`: it names no path; `log` may."""
        if reason != self.reason:
            logger.warning("%s", log or reason)
        self.reason = reason

    def _look_for_bundle(self, pointer: ChampionPointer) -> None:
        """Says once that it is gone: what is loaded goes on, and no restart would find it."""
        folder = self._source.folder(pointer)
        is_gone = not (folder / DESCRIPTION).is_file()
        if is_gone and not self._is_bundle_gone:
            logger.error(
                "%s version %s goes on as it was loaded, but its bundle is gone: restore %s before a restart,"
                " or promote another version",
                pointer.model,
                pointer.version,
                folder,
            )
        self._is_bundle_gone = is_gone

    def _end(self) -> None:
        if self.served:
            none = replace(self.served.pointer, version=0)
            self._watcher.serves(replace(self.served, pointer=none))
            logger.info("%s has no %s any more", none.model, self._arm)
        self.served = self._failed = None

    def _is_new(self, pointer: ChampionPointer) -> bool:
        if self.served and self.served.pointer == pointer:
            return False
        failed, since = self._failed or (None, 0.0)
        return pointer != failed or time.monotonic() - since >= self._retry_seconds

    def _swap(self, pointer: ChampionPointer, max_bytes: float) -> None:
        name, version = pointer.model, pointer.version
        try:
            folder = self._source.folder(pointer)
            size = model_bytes(folder)
            if size > max_bytes:
                raise BundleError(f"its model files are {size} bytes, {max_bytes:.0f} are allowed")
            served = Served(pointer, open_served(folder, pointer), self._arm, size)
        except Exception as error:  # whatever a model's file does, the old version goes on
            self._failed = (pointer, time.monotonic())
            logger.error("%s version %s cannot be served: %s", name, version, error)
            self._watcher.failed(pointer)
            self.reason = (
                f"version {version} of {name} could not be loaded, the log says why:"
                " promote another with `sightline promote VERSION`, or `sightline rollback`"
            )
            return
        self.served, self._failed = served, None
        self._watcher.serves(served)
        logger.info("%s version %s serves from now on, as %s", name, version, self._arm)


def model_bytes(folder: Path) -> int:
    """Bytes of a bundle's model files: not of golden images, nor of the network that it was converted from.

    0 where there is no such folder.
    """
    if not folder.is_dir():
        return 0
    return sum(
        file.stat().st_size for file in folder.iterdir() if file.is_file() and file.name != DESCRIPTION
    )


def open_served(folder: Path, pointer: ChampionPointer) -> ImageClassifier:
    """The classifier of the bundle that the pointer means; BundleError for any other, or an altered one."""
    if not folder.is_dir():
        raise BundleError(f"no bundle at {folder}")
    if bundle_digest(folder) != pointer.digest:
        raise BundleError(f"bundle {folder} is not the one that was promoted: its digest differs")
    return load_bundle(folder)

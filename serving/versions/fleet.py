"""The models that answer, each with its champion and challenger, and which of them answers a request.

One thread follows the registry, one loads a model when it is first asked for: both hold the same lock, so a
model is loaded once. Requests take no lock: they read `arms`, which is replaced whole.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import HTTPConnection

from serving.answers import RequestError
from serving.settings import MEGABYTE, Settings
from serving.versions.arms import Arms, FollowedModel
from serving.versions.champion import Served, Source, Watcher
from vision.errors import SightlineError

logger = logging.getLogger("sightline.fleet")


class Fleet:
    """Every model of a source: the default one from the start, others when they are first asked for.

    `models_bytes` bounds the model files of those others; the least recently used are dropped. `on_change` is
    given the digests of all bundles that are loaded, whenever they change.
    """

    def __init__(
        self,
        source: Source,
        *,
        watcher: Watcher,
        models_bytes: float,
        poll_seconds: float,
        retry_seconds: float,
        on_change: Callable[[frozenset[str]], None] = lambda digests: None,
    ) -> None:
        self.source = source
        self.names: tuple[str, ...] = ()
        self.default: str | None = None
        self._reason = "the champion is being loaded: ask again in a moment"
        self._watcher, self._on_change = watcher, on_change
        self._models_bytes, self._poll_seconds, self._retry_seconds = (
            models_bytes,
            poll_seconds,
            retry_seconds,
        )
        self._models: dict[str, FollowedModel] = {}
        self._digests: frozenset[str] = frozenset()
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="fleet", daemon=True)
        # One thread: models are loaded one after the other, however many are asked for at once.
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load")

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        source: Source,
        watcher: Watcher,
        *,
        on_change: Callable[[frozenset[str]], None] = lambda digests: None,
    ) -> Fleet:
        return cls(
            source,
            watcher=watcher,
            models_bytes=settings.models_megabytes * MEGABYTE,
            poll_seconds=settings.poll_seconds,
            retry_seconds=settings.retry_seconds,
            on_change=on_change,
        )

    @property
    def is_ready(self) -> bool:
        return bool(self.default and self.arms(self.default).champion)

    @property
    def reason(self) -> str:
        """Why it is not ready; for clients: it names no path."""
        return self._models[self.default].reason if self.default else self._reason

    def start(self) -> None:
        """Returns when the champion, if there is one, is loaded: a worker is to accept no request before."""
        self._refresh_safely()
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._loader.shutdown(wait=False, cancel_futures=True)
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def choose(self, request: HTTPConnection) -> Served:
        """The version of the default model that answers this request; RequestError 503 where none is loaded.

        RequestError 400 where the request asks for an arm that there is not.
        """
        if self.default is None:
            raise RequestError(503, "not_ready", self._reason)
        return self._models[self.default].choose(request)

    async def choose_of(self, model: str, request: HTTPConnection) -> Served:
        """Likewise of the model of that name, which is loaded first where it is not; RequestError 404 too."""
        found = self._models.get(model)
        if found is None:
            self.check_known(model)
            found = await asyncio.get_running_loop().run_in_executor(self._loader, self._load, model)
        found.used = time.monotonic()
        return found.choose(request)

    def shadow(self, model: str) -> Served | None:
        """The challenger of a loaded model that sees the champion's requests without answering them."""
        return self.arms(model).shadow

    def arms(self, model: str) -> Arms:
        """What is loaded of the model."""
        found = self._models.get(model)
        return found.arms if found else Arms()

    def check_known(self, model: str) -> None:
        """RequestError (404) for a name that is not one of those in the registry: no path is made of it."""
        if model not in self.names and model not in self._models:
            there_are = f"there are {', '.join(self.names)}" if self.names else "there is none yet"
            raise RequestError(404, "unknown_model", f'no model "{model[:50]}": {there_are}')

    def refresh(self) -> None:
        """Follows the registry once. Blocks while bundles are loaded."""
        with self._lock:
            self.names = self.source.models()
            self._find_default()
            for model in self._models.values():
                model.refresh()
            self._settle()

    def _follow(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            self._refresh_safely()

    def _refresh_safely(self) -> None:
        try:
            self.refresh()
        except Exception:  # out of file handles, say: the next time may do
            logger.exception("the registry could not be followed")

    def _find_default(self) -> None:
        """Once found it stays, however many models there will be."""
        if self.default is not None:
            return
        try:
            name = self.source.default()
        except SightlineError as error:
            if str(error) != self._reason:
                logger.warning("%s", error)
            self._reason = str(error)
            return
        self._models[name] = self._models.get(name) or self._followed(name, float("inf"))
        self.default = name

    def _load(self, name: str) -> FollowedModel:
        with self._lock:
            found = self._models.get(name)
            if found is None:
                found = self._followed(name, self._models_bytes)
                found.refresh()
                self._models[name] = found
                self._settle()
            return found

    def _followed(self, name: str, max_bytes: float) -> FollowedModel:
        return FollowedModel(
            name,
            self.source,
            max_bytes=max_bytes,
            retry_seconds=self._retry_seconds,
            watcher=self._watcher,
        )

    def _settle(self) -> None:
        """Drops what has no room, and tells what is loaded."""
        others = [model for model in self._models.values() if model.size_bytes and model.name != self.default]
        others.sort(key=lambda model: model.used)
        while sum(model.size_bytes for model in others) > self._models_bytes:
            unused = self._models.pop(others.pop(0).name)
            unused.drop()
            logger.info("%s is dropped for want of room: it was not asked for longest", unused.name)
        digests = frozenset(
            served.pointer.digest for model in self._models.values() for served in model.arms.served
        )
        if digests != self._digests:
            self._digests = digests
            self._on_change(digests)

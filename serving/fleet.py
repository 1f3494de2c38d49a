"""The versions that answer, and which of them answers a request."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from serving.answers import RequestError
from serving.champion import Champion, Served


class Fleet:
    """The champion of one model."""

    def __init__(self, champion: Champion) -> None:
        self._champion = champion

    @property
    def is_ready(self) -> bool:
        return self._champion.served is not None

    @property
    def reason(self) -> str:
        """Why it is not ready; for clients: it names no path."""
        return self._champion.reason

    def start(self) -> None:
        self._champion.start()

    def close(self) -> None:
        self._champion.stop()

    def choose(self, request: HTTPConnection, model: str | None = None) -> Served:
        """The version that answers this request, of the model of that name or of the one served by default.

        RequestError: 503 where none is loaded.
        """
        served = self._champion.served
        if served is None:
            raise RequestError(503, "not_ready", self.reason)
        return served

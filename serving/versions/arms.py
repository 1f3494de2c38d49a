"""One model as its registry has it: the champion, and the challenger while there is one."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

from starlette.requests import HTTPConnection

from registry.traffic import Traffic
from serving.answers import RequestError
from serving.versions.champion import Follower, Served, Source, Watcher
from serving.versions.routing import choose_arm
from vision.errors import NoChampion, SightlineError

logger = logging.getLogger("sightline.arms")

# Raised where a file of the registry is damaged, or cannot be read.
UNREADABLE = (SightlineError, OSError, ValueError)


@dataclass(frozen=True)
class Arms:
    """What is loaded of one model. A challenger is the one that `traffic` names."""

    champion: Served | None = None
    challenger: Served | None = None
    traffic: Traffic | None = None

    @property
    def shadow(self) -> Served | None:
        """The challenger that sees the champion's requests without answering them."""
        if self.challenger and self.traffic and self.traffic.mode == "shadow":
            return replace(self.challenger, arm="shadow")
        return None

    @property
    def served(self) -> tuple[Served, ...]:
        return tuple(filter(None, (self.champion, self.challenger)))


class FollowedModel:
    """One model as its registry has it now; `max_bytes` bounds the model files of both arms together."""

    def __init__(
        self, name: str, source: Source, *, max_bytes: float, retry_seconds: float, watcher: Watcher
    ) -> None:
        self.name, self.arms, self.used = name, Arms(), time.monotonic()
        self._source, self._max_bytes, self._watcher = source, max_bytes, watcher
        self._champion = Follower(source, "champion", retry_seconds=retry_seconds, watcher=watcher)
        self._challenger = Follower(source, "challenger", retry_seconds=retry_seconds, watcher=watcher)
        self._damage = ""

    @property
    def reason(self) -> str:
        """Why it has no champion; for clients."""
        return self._champion.reason

    @property
    def size_bytes(self) -> int:
        return sum(served.size_bytes for served in self.arms.served)

    def choose(self, request: HTTPConnection) -> Served:
        """The version that answers; RequestError 503 where none is loaded, 400 for an unknown arm."""
        arms = self.arms
        if arms.champion is None:
            raise RequestError(503, "not_ready", self.reason)
        if arms.challenger and arms.traffic and arms.traffic.mode == "split":
            return arms.challenger if choose_arm(arms.traffic, request) == "challenger" else arms.champion
        return arms.champion

    def drop(self) -> None:
        """Requests that have taken a version keep it; nobody else will."""
        self._champion.follow(None)
        self._challenger.follow(None)

    def refresh(self) -> None:
        """Loads what the registry names now; what cannot be loaded changes nothing."""
        try:
            self._champion.follow(self._source.pointer(self.name), max_bytes=self._max_bytes)
        except NoChampion as error:
            self._champion.say(str(error))
        except UNREADABLE as error:
            reason = f'the pointer of "{self.name}" is damaged: `sightline status` repairs it'
            self._champion.say(reason, log=str(error))
        traffic, champion = self._traffic(), self._champion.served
        room = self._max_bytes - (champion.size_bytes if champion else 0)
        self._challenger.follow(traffic.challenger if traffic else None, max_bytes=room)
        challenger = self._challenger.served
        if traffic and challenger and challenger.pointer != traffic.challenger:
            challenger = None  # the one before, whose successor could not be loaded
        self.arms = Arms(champion, challenger, traffic)

    def _traffic(self) -> Traffic | None:
        """None as well where the file is damaged: then the champion has all."""
        traffic, damage = None, ""
        try:
            traffic = self._source.traffic(self.name)
        except UNREADABLE as error:
            damage = str(error)
        if damage and damage != self._damage:
            logger.error("the champion of %s has all requests: %s", self.name, damage)
            self._watcher.count("traffic_damaged")
        self._damage = damage
        return traffic

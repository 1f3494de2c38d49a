"""A fleet that follows the registry of a test, who is told of its loads, and requests to it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from dataclasses import replace

import pytest
from starlette.requests import HTTPConnection

from registry.pointer import ChampionPointer
from registry.traffic import Traffic, write_traffic
from serving.versions.champion import RegistrySource, Served
from serving.versions.fleet import Fleet


class Told:
    """A Watcher that remembers what was loaded, and in which threads."""

    def __init__(self) -> None:
        self.loads: list[tuple[str, int, str]] = []
        self.threads: set[threading.Thread] = set()
        self.failures: list[ChampionPointer] = []
        self.events: Counter[str] = Counter()

    def serves(self, served: Served) -> None:
        if served.pointer.version:
            self.loads.append((served.pointer.model, served.pointer.version, served.arm))
            self.threads.add(threading.current_thread())

    def failed(self, pointer: ChampionPointer) -> None:
        self.failures.append(pointer)

    def count(self, event: str) -> None:
        self.events[event] += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def make_fleet(registry, told):
    """A fleet of the registry's workspace; digits, the fixture `registry`, is its default model."""
    fleets = []

    def make(models_bytes: float = 1e9, **options) -> Fleet:
        source = options.pop("source", RegistrySource(registry.workspace, "digits"))
        options = {"poll_seconds": 0.01, "retry_seconds": 60} | options
        fleets.append(Fleet(source, watcher=told, models_bytes=models_bytes, **options))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.close()


@pytest.fixture
def fleet(make_fleet, registry) -> Fleet:
    """Serves version 1 of digits."""
    registry.promote(1)
    fleet = make_fleet()
    fleet.refresh()
    return fleet


def request(**headers: str) -> HTTPConnection:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "headers": raw, "query_string": b""})


ASKS_FOR_CHALLENGER = {"x_sightline_arm": "challenger"}


def chosen(fleet: Fleet, **headers: str) -> tuple[int, str]:
    served = fleet.choose(request(**headers))
    return served.pointer.version, served.arm


def choose_of(fleet: Fleet, *models: str) -> list[Served]:
    """What requests for these models, all at once, are answered by."""

    async def ask() -> list[Served]:
        return await asyncio.gather(*(fleet.choose_of(model, request()) for model in models))

    return asyncio.run(ask())


def challenge(registry, version: int, **options) -> None:
    write_rule(registry, registry.store(version), **options)


def write_rule(registry, challenger: ChampionPointer, **options) -> None:
    rule = Traffic(**vars(challenger), since="2026-01-01T00:00:00+00:00", **options)
    write_traffic(registry.workspace, rule)


def other(registry, name: str):
    return replace(registry, model=name)

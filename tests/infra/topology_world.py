"""The topology of compose.yaml from Debian's packages: processes that read the files of infra/docker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from infra.docker import rendered
from infra.docker.processes import Balancer, Replica
from tests.infra.docker_files import environment, services

PROGRAMS = {"nginx": "nginx", "redis-server": "redis-server", "prometheus": "prometheus"}
CLIENTS = 8


def skip_without_programs() -> None:
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)]
    if missing:
        pytest.skip(f"not installed: Debian's {', '.join(missing)}")


@dataclass(frozen=True)
class Topology:
    """What runs: nginx before replicas that share a Redis, and Prometheus."""

    balancer: Balancer
    replicas: list[Replica]
    prometheus: httpx.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.balancer.port}"

    def up(self) -> dict[int, bool]:
        """What Prometheus thinks of each replica, by port."""
        answer = self.prometheus.get("/api/v1/query", params={"query": 'up{job="sightline"}'}).json()
        return {
            int(one["metric"]["instance"].rpartition(":")[2]): one["value"][1] == "1"
            for one in answer["data"]["result"]
        }


@contextmanager
def process(
    command: list[str], folder: Path, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Ended, with its children, at the end; its log is in the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "ZENML_"))}
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        started = subprocess.Popen(
            command,
            cwd=folder,
            env=kept | dict(variables or {}),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(30)
        finally:
            os.killpg(started.pid, 9) if _is_there(started.pid) else None


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def redis(folder: Path, port: int) -> Iterator[str]:
    """Its URL, with the password that its file demands."""
    (folder / "auth.conf").write_text("requirepass secret\n")
    path = rendered.redis(folder, port=port, password_file=folder / "auth.conf")
    with process(["redis-server", str(path)], folder):
        # A busy machine is given more time than the service would.
        yield f"redis://:secret@127.0.0.1:{port}/0?socket_timeout=10&socket_connect_timeout=10"


@contextmanager
def prometheus(folder: Path, port: int, replicas: list[int]) -> Iterator[httpx.Client]:
    (folder / "key").touch()
    path = rendered.prometheus(folder, port=port, key_file=folder / "key", replicas=replicas, seconds=1)
    command = ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with (
        process([*command, f"--web.listen-address=127.0.0.1:{port}"], folder),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        wait(lambda: client.get("/-/ready").status_code == 200)
        yield client


@contextmanager
def server(name: str, folder: Path, port: int, secrets: Mapping[str, str]) -> Iterator[httpx.Client]:
    """A server of the training image by compose.yaml's own command and variables, on loopback.

    `secrets` are the values of the variables that compose.yaml takes from files.
    """
    replaced = {"--host=0.0.0.0": "--host=127.0.0.1"}
    command = [replaced.get(word, word) for word in services()[name]["command"]]
    command = [f"--port={port}" if word.startswith("--port=") else word for word in command]
    command[0] = str(Path(sys.executable).with_name(command[0]))
    named = environment(name)
    assert {each for each in named if each.endswith("__FILE")} == {f"{each}__FILE" for each in secrets}
    variables = {each: value for each, value in named.items() if not each.endswith("__FILE")} | dict(secrets)
    variables |= {"ZENML_CONFIG_PATH": str(folder / "zenml"), "SIGHTLINE_HOME": str(folder)}
    with (
        process(command, folder, variables),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client,
    ):
        wait(lambda: client.get("/health").status_code == 200, seconds=300)
        yield client


def wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s")


@dataclass
class Load:
    """Clients that ask without a pause; how each request ended, by status or by the error's name."""

    endings: Counter[str] = field(default_factory=Counter)
    _ended: threading.Event = field(default_factory=threading.Event)

    def ask(self, url: str, image: bytes) -> None:
        headers = {"content-type": "application/octet-stream", "cache-control": "no-cache"}
        with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
            while not self._ended.is_set():
                try:
                    ending = str(client.post("/v1/classify", content=image, headers=headers).status_code)
                except httpx.HTTPError as error:
                    ending = type(error).__name__
                self.endings[ending] += 1


@contextmanager
def load(url: str, image: bytes) -> Iterator[Load]:
    """Asks while the block runs; all have their answers after it."""
    running = Load()
    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(running.ask, url, image) for _ in range(CLIENTS)]
        try:
            yield running
        finally:
            running._ended.set()
        for each in asking:
            each.result()

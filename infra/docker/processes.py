"""The topology of compose.yaml as processes of this machine, on loopback: replicas and nginx.

For the tests and benchmarks of what Docker would run; nginx reads the nginx.conf of this folder.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra.docker import rendered
from vision.errors import SightlineError

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, LOOK_SECONDS = 120, 0.1
NOBODY = 65534


@dataclass
class Replica:
    """The service as a process with a port of its own; SightlineError where it never becomes ready."""

    port: int
    variables: Mapping[str, object]
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        environment = os.environ | {name: str(value) for name, value in self.variables.items()}
        command = [sys.executable, "-m", "serving", "--port", str(self.port)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)

    def kill(self) -> None:
        """As the kernel ends a container: all of its processes.

        BentoML's worker has a session of its own, and would answer on without its parent.
        """
        if self.process.poll() is None:
            first = psutil.Process(self.process.pid)
            family = [first, *first.children(recursive=True)]
            for each in family:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            psutil.wait_procs(family)
        self.process.wait()

    def stop(self) -> None:
        """As `docker stop`: it answers what was begun."""
        self.process.terminate()
        self.process.wait(START_SECONDS)

    def is_ready(self) -> bool:
        return _status(self.port, "/readyz") == 200

    def wait(self) -> None:
        _wait(self.is_ready, self.process, self.log)


@dataclass(frozen=True)
class Balancer:
    """A running nginx."""

    port: int
    access_log: Path


@contextmanager
def replicas(ports: Sequence[int], folder: Path, variables: Mapping[str, object]) -> Iterator[list[Replica]]:
    """One on each port, ready; their logs are in the folder."""
    with ExitStack() as stack:
        made = [
            # At its start BentoML empties the folder of metrics in BENTOML_HOME: each has its own.
            Replica(port, {**variables, "BENTOML_HOME": folder / f"{port}"}, folder / f"{port}.log")
            for port in ports
        ]
        for replica in made:
            replica.start()
            stack.callback(replica.kill)
        for replica in made:
            replica.wait()
        yield made


@contextmanager
def nginx(upstreams: Sequence[int], *, port: int, health_port: int) -> Iterator[Balancer]:
    """nginx before services on those ports; without root, as in its container."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise SightlineError("nginx is not installed: Debian's package is nginx")
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        folder, user = Path(name), NOBODY if os.geteuid() == 0 else None
        path = rendered.nginx(folder, port=port, health_port=health_port, replicas=upstreams)
        if user is not None:
            shutil.chown(folder, user, user)
        command = [program, "-e", "stderr", "-c", str(path), "-g", "daemon off;"]
        log = folder / "error.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, user=user, group=user, extra_groups=None if user is None else [], stderr=output
            )
        try:
            _wait(lambda: _status(health_port, "/healthz") == 204, process, log)
            yield Balancer(port, folder / rendered.ACCESS_LOG)
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(START_SECONDS)


def _status(port: int, path: str) -> int | None:
    """Of a GET; None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _wait(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > until:
            raise SightlineError(f"{process.args!r} is not ready; its log ends:\n{log.read_text()[-2000:]}")
        time.sleep(LOOK_SECONDS)

"""A Bento as a process of its own that knows nothing of this machine's settings and leaves nothing behind.

It listens on a free port of loopback. Its home, and what it says, is in a folder that is deleted with it.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

# What a program needs to run at all; every other variable, our settings and proxies among them, is left out.
KEPT = re.compile("PATH|LD_LIBRARY_PATH|LANG|LC_.*|TZ|TMPDIR|OMP_NUM_THREADS")
PROBE_SECONDS = 5.0
KILLINGS = 20
LAST_CHARACTERS = 500  # of a log


class NotReady(Exception):
    """The Bento cannot be asked; the message goes on after its name."""


@dataclass(frozen=True)
class SandboxedBento:
    """A Bento that was started; `home` is the folder that its processes, and no others, have as HOME."""

    process: subprocess.Popen[bytes]
    url: str
    home: Path
    begun: float  # by time.monotonic()

    def wait_ready(self, seconds: float) -> float:
        """Seconds from its start until it was ready; NotReady where it ends before, or takes longer."""
        said = "nothing answered"
        with httpx.Client(base_url=self.url, timeout=PROBE_SECONDS, trust_env=False) as client:
            while time.monotonic() - self.begun < seconds:
                if self.process.poll() is not None:
                    raise NotReady(f"ended with status {self.process.returncode}: {self._last_words()}")
                with suppress(httpx.TransportError):
                    response = client.get("/readyz")
                    if response.is_success:
                        return time.monotonic() - self.begun
                    said = f"/readyz answered {response.status_code}"
                time.sleep(0.05)
        raise NotReady(f"was not ready within {seconds:g} s ({said}): {self._last_words()}")

    @property
    def megabytes(self) -> float:
        """Resident memory of all its processes; what they share is counted in each."""
        total = 0
        for process in self._family():
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 1e6

    def kill(self) -> None:
        """All its processes. BentoML's workers have sessions, and so groups, of their own."""
        self.process.kill()  # first, because it would start the others anew
        self.process.wait()
        for _ in range(KILLINGS):
            family = self._family()
            for process in family:
                with suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(family, timeout=1)
            if not family:
                return

    def _family(self) -> list[psutil.Process]:
        """Known by their environment: a worker whose parent died is nobody's child."""
        running = psutil.process_iter(["environ"])
        return [one for one in running if (one.info["environ"] or {}).get("HOME") == str(self.home)]

    def _last_words(self) -> str:
        words = " ".join((self.home / "log").read_text(errors="replace").split())
        return f"its log ends: {words[-LAST_CHARACTERS:]}" if words else "it said nothing"


@contextmanager
def started(tag: str, *, bento_home: Path, variables: Mapping[str, str]) -> Iterator[SandboxedBento]:
    """The Bento of that store, not yet ready, with `variables` of its own; killed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="sightline-trial-", ignore_cleanup_errors=True) as folder:
        home, port = Path(folder).resolve(), _free_port()
        kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
        own = {"HOME": str(home), "BENTOML_HOME": str(bento_home.resolve()), "BENTOML_DO_NOT_TRACK": "True"}
        command = [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=home,
                env={**kept, **own, **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        bento = SandboxedBento(process, f"http://127.0.0.1:{port}", home, time.monotonic())
        try:
            yield bento
        finally:
            bento.kill()


def _free_port() -> int:
    """Free just now. Should another program take it, the Bento ends, or the wrong version is found out."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Start, memory and latency of the service beside the same classify() in this process.

Requests and calls take turns in blocks, so that a machine that slows down slows both.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.record import table, write_section
from benchmarks.runs import empty_home, read_config, run_pipeline
from registry.bundles import load_bundle
from registry.pointer import ChampionPointer, bundle_path, write_pointer
from registry.workspace import Workspace
from vision.bundle import bundle_digest
from vision.classifier import ImageClassifier
from vision.golden import FOLDER as GOLDEN

Figures = dict[str, float | str]
ROOT = Path(__file__).resolve().parents[1]
MODEL = "benchmark"
BLOCKS, BLOCK = 20, 50
WARM_UP = 100
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def main() -> None:
    """The champion that zenml_config.yaml makes in a new workspace."""
    with empty_home() as environment:
        run = run_pipeline(read_config("zenml_config.yaml"), environment)
        write_section("service", as_table(measure(Path(run.status["bundle"]))))


def measure(bundle: Path) -> Figures:
    """Figures of a service that is started for the bundle, asked with the largest of its sample images."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        image = _an_image(_publish(workspace, bundle))
        data = image.read_bytes()
        with _service(workspace) as (process, port, ready_seconds):
            figures: Figures = {"image": image.name, "image_bytes": len(data), "ready_seconds": ready_seconds}
            figures |= _measure(port, load_bundle(bundle), data)
            figures |= _memory(process)
    return figures


def as_table(figures: Figures) -> str:
    """A Markdown table of the figures."""
    shown = ((name, f"{value:.3f}" if isinstance(value, float) else value) for name, value in figures.items())
    return table(("figure", "value"), list(shown))


def _publish(workspace: Workspace, bundle: Path) -> Path:
    """The bundle's place in the workspace, where it is champion."""
    place = bundle_path(workspace, MODEL, 1)
    place.parent.mkdir(parents=True)
    place.symlink_to(bundle.resolve())
    write_pointer(workspace, ChampionPointer(MODEL, 1, bundle_digest(place)))
    return place


def _an_image(bundle: Path) -> Path:
    images = [path for path in (bundle / GOLDEN).glob("sample_*") if path.suffix in IMAGE_SUFFIXES]
    return max(images, key=lambda path: path.stat().st_size)


@contextmanager
def _service(workspace: Workspace) -> Iterator[tuple[psutil.Process, int, float]]:
    """A running service, its port, and the seconds from the start of its process to /readyz 200."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = os.environ | {"SIGHTLINE_HOME": str(workspace.root), "SIGHTLINE_PORT": str(port)}
    environment |= {"SIGHTLINE_MODEL": MODEL, "BENTOML_HOME": str(workspace.bentoml)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "serving"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        while not _is_ready(port):
            if process.poll() is not None or time.perf_counter() - started > 60:
                raise SystemExit("the service did not become ready: run `python -m serving` to see why")
            time.sleep(0.02)
        yield psutil.Process(process.pid), port, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _measure(port: int, classifier: ImageClassifier, data: bytes) -> Figures:
    """Milliseconds over one kept connection and in process, in alternating blocks."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    # As every HTTP client but this one does; else the body waits for the acknowledgement of the head.
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask() -> None:
        connection.request("POST", "/v1/classify", data, {"Content-Type": "application/octet-stream"})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise SystemExit(f"the service answered {response.status}: {body.decode()}")

    def call() -> None:
        classifier.classify(data)

    times: dict[str, list[float]] = {"http": [], "in_process": []}
    for _ in range(WARM_UP):
        ask()
        call()
    for _ in range(BLOCKS):
        times["http"] += _times(ask)
        times["in_process"] += _times(call)
    return _percentiles(times) | {"requests": BLOCKS * BLOCK}


def _times(action: Callable[[], None]) -> list[float]:
    times = []
    for _ in range(BLOCK):
        begin = time.perf_counter()
        action()
        times.append((time.perf_counter() - begin) * 1000)
    return times


def _percentiles(times: dict[str, list[float]]) -> Figures:
    figures = {
        f"{name}_p{percent}_ms": float(np.percentile(values, percent))
        for name, values in times.items()
        for percent in (50, 99)
    }
    return {**figures, "ratio_p50": figures["http_p50_ms"] / figures["in_process_p50_ms"]}


def _memory(process: psutil.Process) -> Figures:
    """MiB of the supervisor and its worker: PSS counts a shared page once over all who share it."""
    family = [process, *process.children(recursive=True)]
    infos = [member.memory_full_info() for member in family]
    return {
        "processes": len(family),
        "pss_mib": sum(info.pss for info in infos) / 2**20,
        "rss_mib": sum(info.rss for info in infos) / 2**20,
    }


if __name__ == "__main__":
    main()

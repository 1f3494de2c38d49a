"""Start, memory and latency of the service beside the same classify() in this process: a table and JSON.

`python -m benchmarks.serve [--bundle FOLDER] [--image FILE] [--output FILE]`. The requests and the calls
take turns in blocks, so that a machine that slows down slows both. Without a bundle, a small convolutional
network of random weights over 224x224 pixels stands in.
"""

from __future__ import annotations

import argparse
import http.client
import json
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

from registry.bundles import load_bundle, write_bundle
from registry.pointer import ChampionPointer, bundle_path, write_pointer
from registry.workspace import Workspace
from vision.bundle import bundle_digest
from vision.classifier import ImageClassifier
from vision.golden import FOLDER as GOLDEN
from vision.preprocessing import Preprocessing

Figures = dict[str, float | str]
ROOT = Path(__file__).resolve().parents[1]
MODEL = "benchmark"
BLOCKS, BLOCK = 20, 50
WARM_UP = 100
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        bundle = _publish(workspace, arguments.bundle)
        image = arguments.image or _an_image(bundle)
        data = image.read_bytes()
        with _service(workspace) as (process, port, ready_seconds):
            figures: Figures = {"image": image.name, "image_bytes": len(data), "ready_seconds": ready_seconds}
            figures |= _measure(port, load_bundle(bundle), data)
            figures |= _memory(process)
    _print(figures)
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="a bundle's folder; default: a generated one")
    parser.add_argument("--image", type=Path, help="default: the largest of the bundle's golden images")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    return parser.parse_args()


def _publish(workspace: Workspace, given: Path | None) -> Path:
    """The bundle's place in the workspace, where it is champion."""
    place = bundle_path(workspace, MODEL, 1)
    if given:
        place.parent.mkdir(parents=True)
        place.symlink_to(given.resolve())
    else:
        write_bundle(place, _stand_in(), samples={}, description={})
    write_pointer(workspace, ChampionPointer(MODEL, 1, bundle_digest(place)))
    return place


def _stand_in() -> ImageClassifier:
    import openvino as ov
    import openvino.opset13 as op

    from vision.runtimes.openvino_runtime import OpenVINORuntime

    random = np.random.default_rng(0)
    images = op.parameter([-1, 224, 224, 3], np.float32, name="images")
    layer = op.transpose(images, np.array([0, 3, 1, 2]))
    for inputs, outputs in ((3, 16), (16, 32), (32, 64), (64, 128)):
        kernel = random.normal(0, (2 / (9 * inputs)) ** 0.5, (outputs, inputs, 3, 3)).astype(np.float32)
        layer = op.relu(op.convolution(layer, op.constant(kernel), [2, 2], [1, 1], [1, 1], [1, 1]))
    pooled = op.reduce_mean(layer, np.array([2, 3]), False)
    head = random.normal(0, 0.01, (128, 10)).astype(np.float32)
    model = ov.Model([op.result(op.matmul(pooled, op.constant(head), False, False))], [images], "stand_in")
    names = tuple(f"class {index}" for index in range(10))
    return ImageClassifier(OpenVINORuntime(model, "float32"), Preprocessing(), names)


def _an_image(bundle: Path) -> Path:
    images = [path for path in (bundle / GOLDEN).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
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


def _print(figures: Figures) -> None:
    for name, value in figures.items():
        print(f"{name:<20} {value:>12.3f}" if isinstance(value, float) else f"{name:<20} {value!s:>12}")


if __name__ == "__main__":
    main()

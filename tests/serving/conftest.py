"""Bundles of a tiny model made without TensorFlow, and real services on free ports."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from registry.bundles import store_bundle
from registry.pointer import ChampionPointer, bundle_path, write_pointer
from registry.workspace import Workspace
from vision.bundle import bundle_digest
from vision.classifier import ImageClassifier
from vision.golden import hostile_images
from vision.preprocessing import Preprocessing
from vision.task import Task
from vision.uncertainty.rules import Uncertainty

ROOT = Path(__file__).resolve().parents[2]
CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "siks", "seven", "eight", "nueve")
MAX_PIXELS = 1_000_000


def make_classifier(
    seed: int,
    *,
    task: Task = "multi_class",
    thresholds: tuple[float, ...] = (),
    uncertainty: Uncertainty | None = None,
) -> ImageClassifier:
    """A linear model over 8x8 pixels: every pixel, channel and orientation moves the answer."""
    import openvino as ov
    import openvino.opset13 as op

    from vision.runtimes.openvino_runtime import OpenVINORuntime

    weights = np.random.default_rng(seed).normal(0, 0.002, (8 * 8 * 3, len(CLASS_NAMES)))
    images = op.parameter([-1, 8, 8, 3], np.float32, name="images")
    flat = op.reshape(images, np.array([-1, 8 * 8 * 3]), False)
    logits = op.matmul(flat, op.constant(weights.astype(np.float32)), False, False)
    return ImageClassifier(
        OpenVINORuntime(ov.Model([op.result(logits)], [images], "linear"), "float32"),
        Preprocessing(image_size=(8, 8), max_pixels=MAX_PIXELS),
        CLASS_NAMES,
        task=task,
        thresholds=thresholds,
        uncertainty=uncertainty,
    )


@dataclass(frozen=True)
class Registry:
    """A workspace with versions of one model; each is made from the seed that is its number."""

    workspace: Workspace
    model: str = "digits"
    task: Task = "multi_class"
    thresholds: tuple[float, ...] = ()
    uncertainty: Uncertainty | None = None

    def store(self, version: int) -> ChampionPointer:
        classifier = make_classifier(
            version, task=self.task, thresholds=self.thresholds, uncertainty=self.uncertainty
        )
        digest = store_bundle(self.workspace, self.model, version, classifier, samples={}, description={})
        return ChampionPointer(self.model, version, digest)

    def promote(self, version: int) -> ChampionPointer:
        pointer = self.store(version)
        write_pointer(self.workspace, pointer)
        return pointer

    def point_to(self, version: int) -> None:
        """Promotes a version that is stored already."""
        digest = bundle_digest(bundle_path(self.workspace, self.model, version))
        write_pointer(self.workspace, ChampionPointer(self.model, version, digest))


@pytest.fixture(scope="session")
def make_registry() -> Callable[[Path], Registry]:
    return lambda root: Registry(Workspace(root))


@pytest.fixture
def registry(make_registry: Callable[[Path], Registry], tmp_path: Path) -> Registry:
    return make_registry(tmp_path / "workspace")


@pytest.fixture(scope="module")
def digits(make_registry: Callable[[Path], Registry], tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry whose champion is version 1; no test changes it."""
    registry = make_registry(tmp_path_factory.mktemp("digits") / "workspace")
    registry.promote(1)
    return registry


@pytest.fixture(scope="module")
def champion(digits: Registry) -> ImageClassifier:
    return ImageClassifier.load(bundle_path(digits.workspace, "digits", 1))


@pytest.fixture(scope="session")
def encoded() -> dict[str, bytes]:
    """Ordinary and awkward images by file name: PNG, JPEG, gray, 16-bit, CMYK, EXIF orientations ..."""
    pixels = np.random.default_rng(5).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return hostile_images(seed=5) | {"photo.jpg": buffer.getvalue()}


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    port: int
    log: Path

    def wait_ready(self, seconds: float = 30) -> None:
        self.wait(lambda: self.client.get("/readyz").status_code == 200, seconds)

    def wait(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        """Returns when the condition holds; fails with the service's log when it does not in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        pytest.fail(f"not within {seconds} s; the log:\n{self.log.read_text()[-4000:]}")

    def classify(self, data: bytes, **options: str) -> httpx.Response:
        headers = {"content-type": "application/octet-stream"}
        return self.client.post("/v1/classify", content=data, headers=headers, params=options)


Start = Callable[..., Service]


@pytest.fixture(scope="module")
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts services, in the repository unless told otherwise, and ends them after the module."""
    services: list[Service] = []

    def start(command: list[str] | None = None, *, cwd: Path = ROOT, **variables: object) -> Service:
        folder = tmp_path_factory.mktemp("service")
        port = free_port()
        ours = ("SIGHTLINE_", "BENTOML_", "PYTHONPATH")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        own = {"BENTOML_HOME": folder / "bentoml", "SIGHTLINE_PORT": port, "BENTOML_PORT": port} | variables
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *(command or ["serving"])],
                cwd=cwd,
                env=kept | {name: str(value) for name, value in own.items()},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False)
        services.append(Service(process, client, port, log))
        return services[-1]

    yield start
    for service in services:
        service.client.close()
        service.process.send_signal(signal.SIGTERM)
    for service in services:
        try:
            service.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            first = psutil.Process(service.process.pid)
            for process in (first, *first.children(recursive=True)):  # BentoML's worker has its own session
                process.kill()
            service.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

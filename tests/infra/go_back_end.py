"""The Go back end for tests: built, given a model, started. Session-wide things are made once, by `cache`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pytest

from benchmarks.processes import free_port
from vision.bundle import open_bundle, seal
from vision.classifier import ImageClassifier
from vision.preprocessing import Preprocessing
from vision.uncertainty.rules import SetRule, Uncertainty

GO = Path("serving/go")
NAMES = tuple("abcç")
RULES = Uncertainty(
    sets=SetRule(method="aps", coverage=0.9, limits=(0.8,)), abstain_below=0.5, unusual_above=-2.0
)
# As serving/go/network/network_test.go has it.
TOLERANCE = 5e-3
WAIT_SECONDS = 120  # a busy machine takes half a minute to load TensorFlow's library


def build(*arguments: str, **environment: object) -> subprocess.CompletedProcess[str]:
    """Runs build.sh; skips where there is no Go, or it cannot have its modules."""
    _check_go()
    variables = os.environ | {name: str(value) for name, value in environment.items()}
    command = ["sh", str(GO / "build.sh"), *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def _check_go() -> None:
    if shutil.which("go") is None:
        pytest.skip("no go on the PATH: install Go 1.26 or newer to test serving/go")
    modules = subprocess.run(["go", "mod", "download"], cwd=GO, capture_output=True, text=True, check=False)
    if modules.returncode:
        pytest.skip(f"go cannot have its modules: {modules.stderr.strip()[:200]}")


@cache
def built_program() -> Path:
    done = build()
    assert done.returncode == 0, done.stderr
    return GO / ".lib" / "sightline-go"


def make_export(folder: Path) -> None:
    """An export with rules, of a model that answers by every single pixel: none may be out of its place."""
    import keras

    from vision.exporting.checked import export_checked
    from vision.runtimes.keras_runtime import KerasRuntime

    keras.utils.set_random_seed(1)
    inputs = keras.Input((24, 32, 3))
    pixels = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    logits = keras.layers.Dense(len(NAMES), kernel_initializer=keras.initializers.RandomNormal(0, 0.05))(
        pixels
    )
    runtime, geometry = KerasRuntime(keras.Model(inputs, logits)), Preprocessing(image_size=(24, 32))
    classifier = ImageClassifier(runtime, geometry, NAMES, temperature=1.5)
    noise = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), dtype=np.uint8)
    export_checked("saved_model", classifier, folder, calibration=None, pixels=noise)
    seal(folder, {**open_bundle(folder), "uncertainty": RULES.model_dump(mode="json")})


def opened(export: Path) -> ImageClassifier:
    """What Python makes of it."""
    return replace(ImageClassifier.load(export), uncertainty=RULES)


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    client: httpx.Client
    url: str

    def classify(self, data: bytes) -> httpx.Response:
        return self.client.post("/v1/classify?top_k=4", content=data, headers={"content-type": "image/x"})

    def wait(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + WAIT_SECONDS
        while not holds():
            assert self.process.poll() is None, "it ended"
            assert time.monotonic() < until, f"it did not come about in {WAIT_SECONDS} s"
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def serving(program: Path, models: Path, **variables: object) -> Iterator[Running]:
    port = free_port()
    settings = {"SIGHTLINE_MODELS": models, "SIGHTLINE_PORT": port, "SIGHTLINE_POLL_SECONDS": 0.05}
    environment = os.environ | {name: str(value) for name, value in (settings | variables).items()}
    process = subprocess.Popen([program], env=environment, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=30) as client:
        running = Running(process, client, url)
        try:
            running.wait(running.is_ready)
            yield running
        finally:
            process.kill()
            process.wait()

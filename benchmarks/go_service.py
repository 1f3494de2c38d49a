"""The Go back end beside the BentoML service of the same network: speed, memory, start, and the same answers.

They take turns in one run. Both compute in float32 from the same weights: the Go back end by TensorFlow's C
library, the service by LiteRT. What a pipeline usually serves, LiteRT in int8, is measured beside them.
`python -m benchmarks.go_service --rounds 1 --seconds 1` is a glance.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.load import closed_loop
from benchmarks.photographs import numbered, photograph
from benchmarks.processes import Running, free_port, running
from benchmarks.question import Question
from benchmarks.record import ROOT, table, write_section
from benchmarks.serving_plan import FIGURES, NO_CACHE, WARM_SECONDS, Plan, figures, times_as_many
from registry.bundles import store_bundle
from registry.pointer import ChampionPointer, write_pointer
from registry.workspace import Workspace
from vision.golden import hostile_images

GO = ROOT / "serving" / "go"
PROGRAM = GO / ".lib" / "sightline-go"
NETWORK, SIDE, CLASSES = "mobilenet_v2", 224, 100
CLIENTS = (1, 8)
WIDTH, HEIGHT, IMAGE_BYTES = 500, 375, 60_000
PARITY_IMAGES = 50
# Standard deviation of the logits: by random weights alone every class has 1 %, and no fault would be seen.
SPREAD = 3.0


@dataclass(frozen=True)
class Prepared:
    """One network, in the forms that are compared."""

    export: Path  # for the Go back end
    workspaces: dict[str, Workspace]  # by precision, each with its champion

    @classmethod
    def below(cls, folder: Path) -> Prepared:
        """Random weights: what is measured does not depend on them."""
        import keras

        from models import ARCHITECTURES
        from vision.classifier import ImageClassifier
        from vision.exporting.checked import export_checked
        from vision.exporting.converters import export_saved_model, to_litert
        from vision.preprocessing import Preprocessing
        from vision.runtimes.keras_runtime import KerasRuntime

        keras.utils.set_random_seed(1)
        network = ARCHITECTURES[NETWORK].build((SIDE, SIDE, 3), CLASSES)
        names = tuple(f"class {number}" for number in range(CLASSES))
        original = ImageClassifier(KerasRuntime(network), Preprocessing(image_size=(SIDE, SIDE)), names)
        images = np.random.default_rng(1).integers(0, 256, (32, SIDE, SIDE, 3), dtype=np.uint8)
        original = original.with_temperature(float(original.logits(images).std()) / SPREAD)
        export = folder / "export"
        export_checked("saved_model", original, export, calibration=None, pixels=images[:4])
        saved_model = export_saved_model(network, folder / "plain")
        workspaces = {}
        for precision, calibration in (("float32", None), ("int8", images)):
            workspaces[precision] = workspace = Workspace(folder / precision)
            classifier = original.with_runtime(to_litert(saved_model, calibration))
            digest = store_bundle(workspace, NETWORK, 1, classifier, samples={}, description={})
            write_pointer(workspace, ChampionPointer(NETWORK, 1, digest))
        return cls(export, workspaces)


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.go_service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each load in a round")
    parser.add_argument("--preview", action="store_true", help="print, and leave BENCHMARKS.md alone")
    given = parser.parse_args(arguments)
    build()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), given.rounds, given.seconds, 0)
        text = measured(plan, Prepared.below(Path(folder)))
    if given.preview:
        print(text)
    else:
        write_section("go", text)


def build() -> None:
    """The program; SystemExit with what is missing."""
    if shutil.which("go") is None:
        raise SystemExit("no go on the PATH: install Go 1.26 or newer, see docs/go.md")
    done = subprocess.run(["sh", GO / "build.sh"], env=os.environ | {"PYTHON": sys.executable}, check=False)
    if done.returncode:
        raise SystemExit("the Go back end could not be built, see above")


def measured(plan: Plan, prepared: Prepared) -> str:
    """The section's text."""
    image = photograph(WIDTH, HEIGHT, max_bytes=IMAGE_BYTES)
    with ExitStack() as stack:
        go = stack.enter_context(go_service(prepared, image, plan))
        bento = {
            precision: stack.enter_context(bento_service(workspace, image))
            for precision, workspace in prepared.workspaces.items()
        }
        services = {"Go, TensorFlow float32": go}
        services |= {f"BentoML, LiteRT {precision}": running for precision, running in bento.items()}
        speeds = _speeds(plan, services)
        costs = _costs(services)
        difference = parity(go.question.port, bento["float32"].question.port)
    return (
        f"{NETWORK}, {SIDE}x{SIDE}, {CLASSES} classes, a JPEG of {WIDTH}x{HEIGHT} and {len(image):,} bytes,"
        f" no cache; medians of {plan.rounds} rounds of {plan.seconds:g} s, in which the services take turns,"
        f" all three of them running.\n\n{speeds}\n\n{costs}\n\n{difference}"
    )


def _speeds(plan: Plan, services: dict[str, Running]) -> str:
    rows: list[tuple[object, ...]] = []
    for clients in CLIENTS:
        answered = plan.in_turn(list(services.values()), clients)
        for name, answers in zip(services, answered, strict=True):
            rows.append((name, clients, *figures(answers), f"{times_as_many(answers, answered[0]):.2f}"))
    return table(("", "clients", *FIGURES, "times as many as Go"), rows)


def _costs(services: dict[str, Running]) -> str:
    """After the load: memory that a process alone holds, all that it has mapped, and its start."""
    rows = []
    for name, service in services.items():
        resident = sum(process.memory_info().rss for process in service.family) / 2**20
        rows.append((name, f"{service.megabytes:.0f}", f"{resident:.0f}", f"{service.ready_seconds:.1f}"))
    return table(("", "MiB of its own", "MiB resident", "first answer after, s"), rows)


@contextmanager
def go_service(prepared: Prepared, image: bytes, plan: Plan) -> Iterator[Running]:
    """The Go back end, warm, without its cache."""
    question = _question(image)
    variables = {"SIGHTLINE_MODELS": prepared.export, "SIGHTLINE_PORT": question.port, **NO_CACHE}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": 3}
    with running([str(PROGRAM)], question, variables | quiet, plan.folder / "go.log") as ours:
        closed_loop(question, clients=max(CLIENTS), seconds=WARM_SECONDS)
        yield ours


@contextmanager
def bento_service(workspace: Workspace, image: bytes) -> Iterator[Running]:
    """The BentoML service, warm, without its cache and its log of predictions, which Go has not."""
    question = _question(image)
    command = [sys.executable, "-m", "serving", "--port", str(question.port)]
    variables = {
        "SIGHTLINE_HOME": workspace.root,
        "BENTOML_HOME": workspace.bentoml,
        "SIGHTLINE_LOG_PREDICTIONS": "false",
        **NO_CACHE,
    }
    with running(command, question, variables, workspace.root / "service.log") as ours:
        closed_loop(question, clients=max(CLIENTS), seconds=WARM_SECONDS)
        yield ours


def _question(image: bytes) -> Question:
    return Question(free_port(), "/v1/classify", "image/jpeg", numbered(image))


def parity(go: int, bento: int) -> str:
    """How far two services' probabilities are apart, at worst, over golden images and photographs."""
    photographs = [
        photograph(WIDTH, HEIGHT, max_bytes=IMAGE_BYTES, seed=seed) for seed in range(PARITY_IMAGES)
    ]
    images = [*hostile_images().values(), *photographs]
    apart = [np.abs(_probabilities(go, image) - _probabilities(bento, image)).max() for image in images]
    return (
        f"Parity in float32, over {len(images)} images (the golden ones and {PARITY_IMAGES} photographs): the"
        f" largest difference of a probability is {max(apart):.2g}."
    )


def _probabilities(port: int, image: bytes) -> np.ndarray:
    url = f"http://127.0.0.1:{port}/v1/classify?top_k={CLASSES}"
    asked = urllib.request.Request(url, image, {"Content-Type": "image/x"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        classes = json.load(answer)["classes"]
    return np.array([entry["probability"] for entry in sorted(classes, key=lambda entry: entry["name"])])


if __name__ == "__main__":
    main(sys.argv[1:])

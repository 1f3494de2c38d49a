"""One run of the training pipeline as a user starts it, with the seconds of each step."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
KEPT = ROOT / "workspace" / "benchmarks"
FINISHED = re.compile(r"Step (\w+) has finished in (?:(\d+)h)?(?:(\d+)m)?([\d.]+)s")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LEARNING = ("tune", "train")


@dataclass(frozen=True)
class PipelineRun:
    """Wall seconds of the whole command and of its steps, and what `sightline status` says after it."""

    seconds: float
    step_seconds: Mapping[str, float]
    status: Mapping[str, Any]

    @property
    def share_outside_learning(self) -> float:
        """Share of the wall time that is neither training nor tuning, 0..1; start-up counts."""
        return 1 - sum(self.step_seconds.get(name, 0.0) for name in LEARNING) / self.seconds

    @property
    def accuracy(self) -> float:
        return float(self.status["metrics"]["accuracy"]["value"])


@contextmanager
def empty_home() -> Iterator[dict[str, str]]:
    """The environment of a user whose workspace is new."""
    with tempfile.TemporaryDirectory() as folder:
        yield _environment(Path(folder) / "workspace")


def kept_home(name: str) -> dict[str, str]:
    """The same below workspace/benchmarks, emptied first: other benchmarks look at the model that is made."""
    home = KEPT / name
    shutil.rmtree(home, ignore_errors=True)
    return _environment(home)


def _environment(home: Path) -> dict[str, str]:
    return os.environ | {
        "SIGHTLINE_HOME": str(home),
        "ZENML_CONFIG_PATH": str(home / "zenml"),
        "BENTOML_HOME": str(home / "bentoml"),
    }


def run_pipeline(config: Mapping[str, Any], environment: Mapping[str, str]) -> PipelineRun:
    """Runs `zenml pipeline run training -c` on the configuration; its output goes to standard error."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        started = time.perf_counter()
        command = [BIN / "zenml", "pipeline", "run", "training", "-c", file.name]
        output = _output(command, environment)
        seconds = time.perf_counter() - started
        status = subprocess.run(
            [BIN / "sightline", "status", "--json", "--config", file.name],
            cwd=ROOT, env=environment, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
    return PipelineRun(seconds, _step_seconds(output), json.loads(status))


def only_prepare(config: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Runs the steps before training, for benchmarks that train by themselves."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(config, file)
        file.flush()
        _output(
            [BIN / "zenml", "pipeline", "run", "pipelines.searching.searching", "-c", file.name], environment
        )


def run_init(source: Path, weights: Path, folder: Path) -> Path:
    """The YAML that `sightline init` writes for the images, in the folder."""
    command = [BIN / "sightline", "init", source, "--weights", weights, "--name", "own-data"]
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    return folder / "configs" / "own-data.yaml"


def read_config(name: str) -> dict[str, Any]:
    """A YAML of the repository, as it is."""
    config: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return config


def _output(command: list[Any], environment: Mapping[str, str]) -> str:
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stderr.write(line)
            lines.append(line)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with status {process.returncode}")
    return COLOUR.sub("", "".join(lines))


def _step_seconds(output: str) -> dict[str, float]:
    return {
        name: 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)
        for name, hours, minutes, seconds in FINISHED.findall(output)
    }

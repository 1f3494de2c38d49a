"""Training runs on JAX without TensorFlow, and what it saves is the same classifier on TensorFlow."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest

from tests.behaviour.coloured_noise import coloured_noise
from vision.classifier import ImageClassifier
from vision.prepared import PreparedImages, prepare_images
from vision.preprocessing import Preprocessing

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [ROOT / "infra/jax" / name for name in ("requirements-jax.lock", "requirements-jax-cuda.lock")]
UV = Path(sys.executable).parent / "uv"
BARE = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS", "TF_", "PYTHON"))}

slow = [pytest.mark.slow, pytest.mark.timeout(1800)]


def pins(lock):
    """The lines that name versions, each with the Pythons and systems it is for."""
    return set(re.findall(r"^([a-z0-9-]+==[^ ]+ ; .*?) \\$", lock.read_text(), flags=re.MULTILINE))


def names(lines):
    return {line.split("==")[0] for line in lines}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_has_the_versions_of_the_main_one_hashes_and_no_address(lock):
    own, main = pins(lock), pins(ROOT / "requirements.lock")
    shared = names(own) & names(main)
    assert {"keras", "numpy", "pydantic"} <= shared
    assert {line for line in own if names([line]) <= shared} <= main
    assert "tensorflow" not in names(own)
    assert "://" not in lock.read_text()
    assert lock.read_text().count("--hash=sha256:") >= len(own)


def imported(path, seen):
    """Top-level packages of others that a module of ours imports as it is loaded, and those that it needs."""
    if path in seen or not path.is_file():
        return set()
    seen.add(path)
    found = set()
    for node in ast.parse(path.read_text()).body:
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for module in modules:
            place = ROOT / module.replace(".", "/")
            found |= imported(place.with_suffix(".py"), seen) | imported(place / "__init__.py", seen)
            found |= set() if (ROOT / module.split(".")[0]).is_dir() else {module.split(".")[0]}
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_has_all_that_training_imports(lock):
    outside = imported(ROOT / "vision/training/train.py", set()) - sys.stdlib_module_names
    homes = packages_distributions()
    assert {"keras", "numpy", "simplejpeg"} <= outside
    needed = {module: {home.lower().replace("_", "-") for home in homes[module]} for module in outside}
    assert {module for module, given in needed.items() if not given & names(pins(lock))} == set()


@pytest.fixture(scope="module")
def jax_python(tmp_path_factory):
    """The Python of a new environment, of the lock and nothing else."""
    folder = tmp_path_factory.mktemp("jax") / "env"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    command = [UV, "pip", "sync", "--quiet", "--require-hashes", LOCKS[0]]
    environment = os.environ | {"VIRTUAL_ENV": str(folder)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if "Failed to fetch" in done.stderr or "Failed to download" in done.stderr:
        pytest.skip(
            f"the packages of {LOCKS[0].name} cannot be downloaded here: {done.stderr.strip()[-300:]}"
        )
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def run(jax_python):
    """Runs a program of the repository on JAX; what it prints last is its answer."""

    def run(program, *arguments, fails=0, **environment):
        command = [jax_python, "-W", "ignore", ROOT / "tests" / program, *map(str, arguments)]
        settings = {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, env=BARE | settings | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == fails, done.stderr[-4000:]
        return None if fails else json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> PreparedImages:
    """Noise of 20 x 20 pixels, of which one channel is brighter."""
    splits = ["train"] * 64 + ["validation"] * 33 + ["test"] * 10
    manifest = coloured_noise(tmp_path_factory.mktemp("images"), splits, side=20)
    return prepare_images(manifest, Preprocessing(image_size=(16, 16)), tmp_path_factory.mktemp("prepared"))


class TestOnJax:
    pytestmark = slow

    def test_tensorflow_is_not_there(self, jax_python):
        done = subprocess.run(
            [jax_python, "-c", "import tensorflow"], env=BARE, capture_output=True, text=True
        )
        assert "No module named 'tensorflow'" in done.stderr

    @pytest.mark.parametrize("plan", ["whole", "fine_tuned"])
    def test_classifier_is_the_same_on_tensorflow(self, plan, run, prepared, tmp_path):
        answer = run("house/jax_training.py", "train", plan, prepared.folder, tmp_path)
        probabilities = np.load(tmp_path / "probabilities.npy")
        classifier = ImageClassifier.load(tmp_path / "classifier")
        assert not answer["tensorflow"]
        assert np.isfinite(answer["history"]["loss"]).all()
        assert probabilities.shape == (10, 3)
        assert classifier.predict(prepared.images("test")) == pytest.approx(probabilities, abs=1e-4)

    def test_killed_training_goes_on_to_the_same_weights(self, run, tmp_path):
        run("house/jax_training.py", "be_killed", tmp_path, fails=-signal.SIGKILL)
        assert list(tmp_path.iterdir())
        answer = run("house/jax_training.py", "resume", tmp_path)
        assert answer == {"epochs": 6, "history": True, "weights": True}

    def test_two_devices_train_as_one_does(self, run):
        flags = "--xla_force_host_platform_device_count=2"
        answer = run("unit/fit_on_two_devices.py", XLA_FLAGS=flags)
        assert answer["devices"] == 2
        assert answer["moved"] > 0.1
        assert answer["apart"] < 1e-5

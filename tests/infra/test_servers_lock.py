"""infra/bench/requirements-servers.lock: what the other servers of `make bench-serve` need is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
from packaging.utils import canonicalize_name
from PIL import Image

from tests.infra.test_docker_images import PIN
from vision.classifier import ImageClassifier
from vision.exporting.converters import export_saved_model, to_litert
from vision.preprocessing import Preprocessing

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "infra" / "bench" / "requirements-servers.lock"
ASKING = """
import json, sys
from pathlib import Path
sys.modules |= dict.fromkeys(json.loads(sys.argv[1]))  # to import one of these is an error
from benchmarks.servers.answer import likeliest, open_classifier
classifier = open_classifier()
print(likeliest(classifier, classifier.classify(Path("image.jpg").read_bytes())))
"""


def test_a_model_answers_where_there_are_the_locks_libraries_alone(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
    runtime = to_litert(export_saved_model(network, tmp_path / "exported"), np.zeros((4, 8, 8, 3), np.uint8))
    ImageClassifier(runtime, Preprocessing(image_size=(8, 8)), ("a", "b")).save(tmp_path / "bundle")
    photo = BytesIO()
    Image.new("RGB", (20, 10), "red").save(photo, "JPEG")
    (tmp_path / "image.jpg").write_bytes(photo.getvalue())
    locked = {name for name, _ in PIN.findall(LOCK.read_text())} | {"sightline"}
    absent = [
        module
        for module, owners in packages_distributions().items()
        if locked.isdisjoint(map(canonicalize_name, owners))
    ]

    done = subprocess.run(
        [sys.executable, "-c", ASKING, json.dumps(absent)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "BUNDLE": str(tmp_path / "bundle")},
        capture_output=True,
        text=True,
    )

    assert {"tensorflow", "keras"} <= set(absent)
    assert done.returncode == 0, done.stderr
    assert "'name': 'a'" in done.stdout

"""The bundle store: whole and checked, or not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from registry.bundles import load_bundle, store_bundle, write_bundle
from registry.pointer import bundle_path
from registry.workspace import Workspace
from tests.registry import fake_classifier as fake
from vision.bundle import NETWORK, bundle_digest, seal
from vision.classifier import ImageClassifier
from vision.errors import BundleError

MODEL = "colours"


@pytest.fixture
def home(tmp_path: Path, fake_runtime: None) -> Workspace:
    return Workspace(tmp_path)


def store(home: Workspace, classifier: ImageClassifier) -> str:
    return store_bundle(
        home, MODEL, 1, classifier, samples=fake.make_samples(), description={"lineage": {"data": "d"}}
    )


def test_stored_bundle_answers_as_before(home: Workspace) -> None:
    digest = store(home, fake.make_classifier())

    folder = bundle_path(home, MODEL, 1)
    expected = fake.make_classifier().classify(fake.make_samples()["red.png"])
    np.testing.assert_array_equal(load_bundle(folder).classify(fake.make_samples()["red.png"]), expected)
    assert digest == bundle_digest(folder)
    assert json.loads((folder / "bundle.json").read_text())["lineage"] == {"data": "d"}


def test_description_does_not_overrule_the_classifier(home: Workspace) -> None:
    store_bundle(home, MODEL, 1, fake.make_classifier(), samples={}, description={"class_names": ["x"]})

    assert load_bundle(bundle_path(home, MODEL, 1)).class_names == ("red", "green", "blue")


def test_the_network_that_was_converted_travels_along(home: Workspace) -> None:
    folder = bundle_path(home, MODEL, 1)
    write_bundle(folder, fake.make_classifier(), samples={}, description={}, network=fake.make_classifier())

    assert ImageClassifier.load(folder / NETWORK).digest == fake.make_classifier().digest
    assert f"{NETWORK}/bundle.json" in json.loads((folder / "bundle.json").read_text())["files"]


def test_a_conversion_that_answers_otherwise_is_not_put_in_place(home: Workspace) -> None:
    folder = bundle_path(home, MODEL, 1)
    with pytest.raises(BundleError, match=r"does not answer as the Keras network .* config\.compress"):
        write_bundle(
            folder, fake.make_classifier(), samples={}, description={}, network=fake.make_classifier(0.02)
        )

    assert not folder.exists()


def test_bundle_that_answers_otherwise_once_loaded_is_not_put_in_place(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake.FakeRuntime, "save", lambda self, folder: fake_save(folder, -self.scale))

    with pytest.raises(BundleError, match="probabilities of golden image"):
        store(home, fake.make_classifier())

    assert list(bundle_path(home, MODEL, 1).parent.iterdir()) == []


def fake_save(folder: Path, scale: float) -> None:
    (folder / "fake.json").write_text(json.dumps({"scale": scale}))


def test_altered_file_is_refused(home: Workspace) -> None:
    store(home, fake.make_classifier())
    folder = bundle_path(home, MODEL, 1)
    fake_save(folder, 0.02)

    with pytest.raises(BundleError, match=r"fake\.json has sha256"):
        load_bundle(folder)


def test_resealed_bundle_that_answers_otherwise_is_refused(home: Workspace) -> None:
    store(home, fake.make_classifier())
    folder = bundle_path(home, MODEL, 1)
    description = json.loads((folder / "bundle.json").read_text())
    fake_save(folder, 0.5)
    seal(folder, description)

    with pytest.raises(BundleError, match="does not reproduce"):
        load_bundle(folder)


def test_what_the_service_imports_brings_no_mlflow() -> None:
    code = (
        "import sys, registry.bundles, registry.pointer, registry.workspace;"
        "sys.exit(bool({'mlflow', 'sqlalchemy', 'tensorflow', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0

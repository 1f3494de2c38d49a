"""The retraining pipeline: training from the champion's weights, for a reason. Nothing is trained here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from registry.workspace import Workspace
from tests.pipelines.conftest import FINGERPRINTS
from vision.augmentation_policy import AugmentationPolicy
from vision.config import Config
from vision.errors import RegistryError
from vision.manifest import Manifest
from vision.model_config import ModelConfig
from vision.training.backbone import Backbone
from vision.training.network import build_network
from vision.training_config import TrainConfig
from vision.tuning_parameters import BestParameters

ROOT = Path(__file__).resolve().parents[2]
MODEL = ModelConfig(name="reference_a")
BEFORE = Backbone((np.zeros(2),))
LEARNED = {"a": "train", "b": "test"}


@pytest.fixture(scope="module", autouse=True)
def without_a_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Importing a step asks ZenML's store for code repositories."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ZENML_CONFIG_PATH", "ZENML_REPOSITORY_PATH"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        patch.setattr("zenml.utils.code_repository_utils.find_active_code_repository", lambda *_: None)
        # Processes that run tests side by side have no main file.
        patch.setattr("zenml.utils.source_utils._CUSTOM_SOURCE_ROOT", str(ROOT))
        yield


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The step's, where champion version 3 is a tiny network and has learned from image a."""
    found = importlib.import_module("steps.begin_from_champion")
    version = SimpleNamespace(version=3, lineage=SimpleNamespace(data_revision="r"))
    network = build_network(MODEL, (8, 8, 3), 3, config=TrainConfig())
    stands_in = {
        "find_champion": version,
        "get_version": version,
        "read_manifest": manifest(LEARNED),
        "trained_network": SimpleNamespace(model=network),
    }
    for name, value in stands_in.items():
        monkeypatch.setattr(found, name, lambda *_, value=value: value)
    return found


def manifest(splits: dict[str, str]) -> Manifest:
    return Manifest("", pd.DataFrame({"sha256": list(splits), "split": list(splits.values())}))


def begin(module: ModuleType, splits: dict[str, str] = LEARNED, model: ModelConfig = MODEL) -> Any:
    prepared = SimpleNamespace(
        preprocessing=SimpleNamespace(image_size=(8, 8)), class_names=("a", "b", "c", "d")
    )
    return module.begin_from_champion.entrypoint(
        BEFORE, prepared, manifest(splits), AugmentationPolicy(), BestParameters(values={}), model,
        TrainConfig(), champion=3, name="digits",
    )  # fmt: skip


def test_training_begins_with_the_champions_weights(module: ModuleType) -> None:
    backbone, weights = begin(module)

    network: keras.Model = module.trained_network().model
    assert all(map(np.array_equal, backbone.weights, Backbone.of(network).weights))
    assert weights == "version 3 of digits"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": ModelConfig(name="residual")}, "another network than residual"),
        ({"splits": {"a": "test"}}, "learned from 1 images that are test images now"),
    ],
)
def test_weights_that_do_not_fit_are_left_with_a_warning(
    module: ModuleType, caplog: pytest.LogCaptureFixture, options: dict[str, Any], said: str
) -> None:
    backbone, weights = begin(module, **options)

    assert (backbone, weights) == (BEFORE, "")
    assert said in caplog.text


def test_weights_that_are_gone_are_left_with_a_warning(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(*_: object) -> None:
        raise RegistryError("the run has no model")

    monkeypatch.setattr(module, "trained_network", missing)

    assert begin(module) == (BEFORE, "")
    assert "not with the champion: the run has no model" in caplog.text


def test_the_champion_is_a_start_where_the_run_file_says_so(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.starting_champion(Config()) == 3
    assert module.starting_champion(Config.model_validate({"retrain": {"from_champion": False}})) == 0
    monkeypatch.setattr(module, "find_champion", lambda *_: None)
    assert module.starting_champion(Config()) == 0


@pytest.mark.parametrize(("champion", "begins"), [(3, True), (0, False)])
def test_the_pipeline_is_training_with_a_start_and_a_reason(
    champion: int, begins: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    for name in FINGERPRINTS:
        monkeypatch.setattr(name, lambda *_, **__: "")
    retraining = importlib.import_module("pipelines.retraining")
    monkeypatch.setattr(retraining, "starting_champion", lambda _: champion)

    retraining.retraining.prepare(reason="new roses")

    steps = retraining.retraining.invocations
    assert steps["note_retraining"].parameters == {"reason": "new roses", "champion": champion}
    assert ("begin_from_champion" in steps) == begins and {"train", "register", "promote"} <= set(steps)
    assert not Workspace(tmp_path).prepared.exists()


def test_monitoring_is_a_look_and_a_decision() -> None:
    monitoring = importlib.import_module("pipelines.monitoring").monitoring

    monitoring.prepare()

    assert list(monitoring.invocations) == ["read_service", "detect_drift", "decide_retraining"]

"""The resources that a run file asks for reach the steps of the compiled pipeline; nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.pipelines.conftest import FINGERPRINTS

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([ROOT / "zenml_config.yaml", *(ROOT / "configs").glob("*.yaml")])
WITH_GPUS = [path for path in FILES if "gpu_count" in path.read_text()]

Resources = Callable[[Path], dict[str, Any]]


@pytest.fixture(scope="module")
def resources_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resources]:
    """ResourceSettings by step, as ZenML hands them to an orchestrator, without its database."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ZENML_CONFIG_PATH", "ZENML_REPOSITORY_PATH", "SIGHTLINE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        patch.setattr("zenml.utils.code_repository_utils.find_active_code_repository", lambda *_: None)
        # Processes that run tests side by side have no main file.
        patch.setattr("zenml.utils.source_utils._CUSTOM_SOURCE_ROOT", str(ROOT))
        patch.setattr("zenml.config.compiler.get_zenml_versions", lambda: ("client", "server"))
        for name in FINGERPRINTS:  # they look at images that are not there
            patch.setattr(name, lambda *_, **__: "")
        yield compiled_resources


def compiled_resources(path: Path) -> dict[str, Any]:
    from zenml.config.compiler import Compiler
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

    from pipelines.training import training

    pipeline = training.with_options(config_path=str(path))
    pipeline.prepare()
    settings = PipelineRunConfiguration.model_validate(yaml.safe_load(path.read_text()))
    snapshot = Compiler().compile(pipeline, local_stack(), settings)
    return {name: step.config.resource_settings for name, step in snapshot.step_configurations.items()}


def local_stack() -> Any:
    from zenml.artifact_stores.local_artifact_store import LocalArtifactStore, LocalArtifactStoreConfig
    from zenml.enums import StackComponentType
    from zenml.orchestrators.local.local_orchestrator import LocalOrchestrator, LocalOrchestratorConfig
    from zenml.stack import Stack

    def component(made_by: type, config: Any, kind: StackComponentType) -> Any:
        now = datetime.now(UTC)
        return made_by(
            name="local", id=uuid4(), config=config, flavor="local", type=kind, user=None,
            created=now, updated=now,
        )  # fmt: skip

    return Stack(
        uuid4(),
        "local",
        orchestrator=component(LocalOrchestrator, LocalOrchestratorConfig(), StackComponentType.ORCHESTRATOR),
        artifact_store=component(
            LocalArtifactStore, LocalArtifactStoreConfig(path=""), StackComponentType.ARTIFACT_STORE
        ),
    )


def test_default_run_file_asks_for_gpus() -> None:
    assert ROOT / "zenml_config.yaml" in WITH_GPUS


@pytest.mark.parametrize("path", WITH_GPUS, ids=lambda path: path.stem)
def test_gpus_go_to_the_steps_that_learn(path: Path, resources_of: Resources) -> None:
    asked = {name: settings.gpu_count for name, settings in resources_of(path).items()}
    assert {name: count for name, count in asked.items() if count} == {"tune": 1, "train": 1}


def test_processors_and_memory_are_honoured(tmp_path: Path, resources_of: Resources) -> None:
    document = yaml.safe_load((ROOT / "zenml_config.yaml").read_text())
    document["steps"]["train"]["settings"]["resources"] = {"cpu_count": 8, "memory": "16GB"}
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(document))
    resources = resources_of(file)
    assert (resources["train"].cpu_count, resources["train"].memory) == (8, "16GB")
    assert resources["train"].gpu_count is None
    assert resources["prepare"].empty

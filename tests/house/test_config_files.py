"""Every run file that the repository ships can be run: Sightline's schema, ZenML's, and the names in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vision.config_file import load_config

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("*.yaml"), *(ROOT / "configs").rglob("*.yaml")])
STEPS = {path.stem for path in (ROOT / "steps").glob("*.py")}

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def test_default_is_among_the_files() -> None:
    assert ROOT / "zenml_config.yaml" in FILES


@every_file
def test_run_file_is_a_config(path: Path) -> None:
    config = load_config(path)
    assert all((ROOT / contract).is_file() for _, contract in config.contracts)


@every_file
def test_run_file_is_one_of_zenml(path: Path) -> None:
    """ZenML's schema too, with its settings; a step that it does not know it would pass over."""
    from zenml.config.pipeline_run_configuration import PipelineRunConfiguration

    document: dict[str, Any] = yaml.safe_load(path.read_text())
    PipelineRunConfiguration.model_validate(document)
    assert set(document.get("steps", {})) <= STEPS


@every_file
def test_misspelt_zenml_key_is_refused(path: Path, tmp_path: Path) -> None:
    from vision.errors import ConfigError

    misspelt = tmp_path / "run.yaml"
    misspelt.write_text(path.read_text() + "\nenable_cashe: true\n")
    with pytest.raises(ConfigError, match='enable_cashe: unknown key; did you mean "enable_cache"'):
        load_config(misspelt)


def test_models_have_names_of_their_own() -> None:
    """Two files with one name would fight for one champion."""
    names = [load_config(path).name for path in FILES]
    assert len(names) == len(set(names))

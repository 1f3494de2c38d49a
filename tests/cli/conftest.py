"""The registry's fixtures, and a run file that names their model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.conftest import MODEL, empty_database, fake_runtime, register, workspace

__all__ = ["empty_database", "fake_runtime", "register", "workspace"]


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "run.yaml"
    path.write_text(f"parameters:\n  config:\n    name: {MODEL}\n")
    return str(path)

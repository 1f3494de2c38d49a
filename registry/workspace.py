"""Where Sightline keeps what it makes: one folder, SIGHTLINE_HOME or ./workspace."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """Paths below one root. Making the value makes no folder."""

    root: Path

    @classmethod
    def from_environment(cls) -> Workspace:
        return cls(Path(os.environ.get("SIGHTLINE_HOME") or "workspace").resolve())

    @property
    def data(self) -> Path:
        """Data sets that Sightline itself writes (digits)."""
        return self.root / "data"

    @property
    def prepared(self) -> Path:
        """Decoded images, a folder for each content and preprocessing."""
        return self.root / "prepared"

    @property
    def splits(self) -> Path:
        """Which split each image was given, a file a model and seed."""
        return self.root / "splits"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' HTML."""
        return self.root / "data_docs"

    @property
    def studies(self) -> str:
        """Optuna's storage."""
        return f"sqlite:///{self._file('optuna.db')}"

    @property
    def checkpoints(self) -> Path:
        """What an interrupted training goes on from, a folder a model."""
        return self.root / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Event files, a folder a run, where config.track.tensorboard is on."""
        return self.root / "tensorboard"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def database(self) -> str:
        """MLflow's tracking and registry database; the ledger is a table in it."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self._file('mlflow.db')}"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.root / "mlflow_artifacts"

    @property
    def registry(self) -> Path:
        """Bundles and the champion's pointers, a folder a model."""
        return self.root / "registry"

    @property
    def bentoml(self) -> Path:
        """BENTOML_HOME: the Bento store."""
        return self.root / "bentoml"

    @property
    def schedule(self) -> Path:
        return self.root / "schedule"

    def _file(self, name: str) -> Path:
        self.root.mkdir(parents=True, exist_ok=True)
        return self.root / name

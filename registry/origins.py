"""From a registered version back to what it came from: its images, figures and trained network.

A bundle holds what a service needs; a person who looks into a model wants the rest too. All of it lies in the
workspace, under the revision and the run that the version's lineage names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from registry.model_version import ModelVersion
from registry.workspace import Workspace
from vision.bundle import open_bundle
from vision.errors import DataError, RegistryError
from vision.prepared import SETS, PreparedImages
from vision.preprocessing import Preprocessing
from vision.runtimes import Runtime, load_runtime

if TYPE_CHECKING:
    from vision.evaluation import ModelFacts


def prepared_images(workspace: Workspace, version: ModelVersion) -> PreparedImages:
    """The images that the version was trained, calibrated and tested on; DataError where they are gone."""
    preprocessing = Preprocessing.model_validate(open_bundle(version.bundle)["preprocessing"])
    folders = sorted((workspace.prepared / SETS).glob("[!.]*"))
    for prepared in map(PreparedImages.open, folders):
        if prepared.revision == version.lineage.data_revision and prepared.preprocessing == preprocessing:
            return prepared
    raise DataError(
        f"no images of version {version.version} among the {len(folders)} sets in {workspace.prepared}: run"
        " the pipeline again with its configuration, or set SIGHTLINE_HOME to the workspace that has them"
    )


def model_facts(version: ModelVersion) -> ModelFacts:
    """Parameters, size and latency, as the report has them; RegistryError where there is no report."""
    from vision.evaluation import ModelFacts

    numbers = version.report.with_suffix(".json") if version.report else None
    if numbers is None or not numbers.is_file():
        raise RegistryError(
            f"version {version.version} has no report with numbers ({numbers}): train it again"
        )
    return ModelFacts.model_validate(json.loads(numbers.read_text())["evaluation"]["model"])


def trained_network(workspace: Workspace, version: ModelVersion) -> Runtime:
    """The Keras network that was compressed into the version, from its MLflow run; needs TensorFlow.

    RegistryError where the run or its model is gone.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before the import: it reads it then
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        folder = MlflowClient(workspace.database).download_artifacts(version.lineage.run_id, "model")
    except MlflowException as error:
        raise RegistryError(
            f"MLflow run {version.lineage.run_id}, which trained version {version.version}, has no model"
            f" ({' '.join(str(error).split())}): train it again"
        ) from error
    return load_runtime("keras", Path(folder), "float32")

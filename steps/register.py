"""The classifier that may serve -> a version in the registry, with its bundle and where it came from."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step
from zenml.types import HTMLString, JSONString, MarkdownString

from registry.champion import find_champion
from registry.data_revisions import keep_manifest
from registry.model_version import Lineage
from registry.versions import register_version
from registry.workspace import Workspace
from steps.tracking import Tracker
from vision.bundle import sha256_file, write_atomically
from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable
from vision.config import Config
from vision.drift.reference import profile_of
from vision.evaluation import Evaluation
from vision.golden import choose_samples
from vision.manifest import Manifest
from vision.model_config import ModelConfig
from vision.prepared import PreparedImages
from vision.report import SCHEMA_FILE, report_schema
from vision.training.record import TrainingRecord


@step(enable_cache=False)
def register(
    classifier: ImageClassifier,
    exportable: ImageClassifier,
    compression: CompressionTable,
    evaluation: Evaluation,
    report: HTMLString,
    numbers: JSONString,
    card: MarkdownString,
    manifest: Manifest,
    prepared: PreparedImages,
    record: TrainingRecord,
    config: Config,
    weights: str = "",
) -> Annotated[int, "version"]:
    """Registers it; a classifier that is registered already keeps its version.

    `weights` are what training began with, where it is not what config.model says.
    """
    workspace = Workspace.from_environment()
    digest = classifier.digest
    settings = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    report_path = workspace.reports / config.name / f"{digest[:12]}.html"
    for suffix, text in ((".html", report), (".json", numbers), (".md", card)):
        write_atomically(report_path.with_suffix(suffix), str(text))
    write_atomically(report_path.with_name(SCHEMA_FILE), report_schema())
    keep_manifest(workspace, config.name, manifest)
    champion = find_champion(workspace, config.name)
    lineage = Lineage(
        data_revision=manifest.revision,
        config_digest=hashlib.sha256(settings.encode()).hexdigest(),
        git_commit=git_commit(),
        classifier_digest=digest,
        parent=champion.version if champion else None,
        run_id=record.run_id,
        weights=weights or first_weights(config.model),
        weights_licence=config.model.weights_licence,
    )
    version = register_version(
        workspace,
        config.name,
        classifier,
        network=exportable,
        compression=compression,
        samples=choose_samples(manifest.select("validation")),
        lineage=lineage,
        metrics=evaluation.metrics,
        reference=profile_of(classifier, prepared, manifest, seed=config.seed),
        report=report_path,
    )
    # The run of a cached training stands for the version that it made, not for settings of today.
    if version.lineage.config_digest == lineage.config_digest:
        Tracker.open(workspace, config.name).resume(record.run_id).log_text(settings, "config.json")
    log_metadata({"version": version.version, "digest": version.digest})
    return version.version


def first_weights(model: ModelConfig) -> str:
    """What training began with, so that it can be known again."""
    if model.weights is None or model.weights == "imagenet":
        return model.weights or "random"
    return f"{Path(model.weights).name} sha256:{sha256_file(Path(model.weights))}"


def git_commit(root: Path = Path(__file__).parent) -> str:
    """Hash of the commit that is checked out, "-dirty" where files differ, "unknown" outside git."""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

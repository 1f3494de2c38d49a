"""Registered versions, in MLflow's registry; with its neighbour ledger.py all that speaks to that database.

A version comes to be in three moves: its bundle is written and checked in the incoming folder, MLflow's
row is made (one transaction, with all tags: from here on the version exists), and the bundle is renamed
to the number that MLflow gave. A process killed before the row leaves nothing but an incoming folder,
which the next registration clears; killed after it, whoever reads next does the renaming.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.bundles import write_bundle
from registry.ledger import has_database
from registry.model_version import (
    BENTO_TAG,
    DIGEST,
    INCOMING,
    REPORT,
    Lineage,
    ModelVersion,
    metric_tags,
)
from registry.pointer import bundle_path
from registry.reference import has_reference
from registry.workspace import Workspace
from vision.bundle import bundle_digest, open_bundle
from vision.classifier import ImageClassifier
from vision.compression.table import CompressionTable
from vision.errors import BundleError, RegistryError, UnknownVersion
from vision.file_lock import exclusive
from vision.intervals import MetricEstimate

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from vision.drift.profile import Profile

ALIAS = "champion"


def register_version(
    workspace: Workspace,
    model: str,
    classifier: ImageClassifier,
    *,
    samples: dict[str, bytes],
    lineage: Lineage,
    metrics: Mapping[str, MetricEstimate],
    network: ImageClassifier | None = None,
    compression: CompressionTable | None = None,
    reference: Profile | None = None,
    report: Path | None = None,
) -> ModelVersion:
    """The version that holds this classifier: the one there is, if its bundle is whole, else a new one.

    `network` is the Keras classifier that it was converted from, which further exports begin with;
    `compression` what was tried, which bundle.json then tells; `reference` what monitoring compares with: a
    version without one, of before there was monitoring, is not whole where one is given.
    """
    with exclusive(workspace.registry / model / ".register.lock"), _mlflow(workspace) as client:
        for version in list_versions(workspace, model):
            is_complete = reference is None or has_reference(version.bundle)
            is_same = version.lineage.classifier_digest == lineage.classifier_digest
            if is_same and is_complete and _is_whole(version):
                return version
        bundle = _cleared(_incoming(workspace, model)) / uuid.uuid4().hex
        measured = {name: estimate.model_dump() for name, estimate in metrics.items()}
        description = {
            "model": model,
            "lineage": asdict(lineage),
            "metrics": measured,
            "compression": compression and compression.model_dump(),
        }
        digest = write_bundle(
            bundle,
            classifier,
            samples=samples,
            description=description,
            network=network,
            reference=reference,
        )
        tags = {DIGEST: digest, INCOMING: bundle.name, **lineage.tags(), **metric_tags(metrics)}
        if report is not None:
            tags[REPORT] = str(report.resolve())
        number = _create_row(client, workspace, model, tags=tags, run_id=lineage.run_id)
        _put_in_place(bundle, bundle_path(workspace, model, number))
    return get_version(workspace, model, number)


def list_versions(workspace: Workspace, model: str) -> tuple[ModelVersion, ...]:
    """All versions that Sightline registered, lowest number first; rows that others wrote are left out."""
    if not has_database(workspace):
        return ()
    with _mlflow(workspace) as client:
        ours = {number: tags for number, tags in _rows(client, model).items() if INCOMING in tags}
    for number, tags in ours.items():
        _put_in_place(_incoming(workspace, model) / tags[INCOMING], bundle_path(workspace, model, number))
    return tuple(
        ModelVersion.from_tags(model, number, bundle=bundle_path(workspace, model, number), tags=tags)
        for number, tags in sorted(ours.items())
    )


def get_version(workspace: Workspace, model: str, version: int) -> ModelVersion:
    """One version; UnknownVersion, with those that exist, where it is not registered."""
    versions = {known.version: known for known in list_versions(workspace, model)}
    if version not in versions:
        known = f"registered are {', '.join(map(str, versions))}" if versions else "none is registered yet"
        raise UnknownVersion(f'no version {version} of "{model}": {known}; `make train` makes one')
    return versions[version]


def last_registered(workspace: Workspace, model: str) -> datetime | None:
    """When the newest version was registered, by the database's clock, UTC; None where there is none."""
    if not has_database(workspace):
        return None
    with _mlflow(workspace) as client:
        rows = _pages(client, model)
        times = [row.creation_timestamp for row in rows if INCOMING in row.tags]
    return datetime.fromtimestamp(max(times) / 1000, UTC) if times else None


def tag_version(workspace: Workspace, model: str, version: int, *, bento_tag: str) -> None:
    """Remembers which Bento was built from the version."""
    get_version(workspace, model, version)
    with _mlflow(workspace) as client:
        client.set_model_version_tag(model, str(version), BENTO_TAG, bento_tag)


def champion_alias(workspace: Workspace, model: str) -> int | None:
    """The version that MLflow calls champion."""
    with _mlflow(workspace) as client:
        version = client.get_registered_model(model).aliases.get(ALIAS)
    return int(version) if version is not None else None


def move_alias(workspace: Workspace, model: str, version: int) -> None:
    with _mlflow(workspace) as client:
        client.set_registered_model_alias(model, ALIAS, str(version))


def _create_row(
    client: MlflowClient, workspace: Workspace, model: str, *, tags: dict[str, str], run_id: str | None
) -> int:
    """The number that MLflow gave. It must be told the bundle's place first, so the number is foreseen.

    Foreseen wrongly (a version deleted by hand) or taken by the bundle of a lost database: the next one.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    number = 1 + max([0, *_rows(client, model), *_bundles_on_disk(workspace, model)])
    while True:
        source = bundle_path(workspace, model, number).as_uri()
        row = client.create_model_version(model, source, run_id=run_id, tags=tags)
        given = int(row.version)
        if given == number and not bundle_path(workspace, model, given).exists():
            return given
        client.delete_model_version(model, str(given))
        number = given + 1


def _rows(client: MlflowClient, model: str) -> dict[int, dict[str, str]]:
    """Tags by version, of every row under this model's name."""
    return {int(row.version): dict(row.tags) for row in _pages(client, model)}


def _pages(client: MlflowClient, model: str) -> Iterator[Any]:
    """Every row under this model's name, as MLflow has it."""
    token: Any = None
    while True:
        page = client.search_model_versions(f"name='{model}'", page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _bundles_on_disk(workspace: Workspace, model: str) -> list[int]:
    folders = bundle_path(workspace, model, 0).parent.glob("*")
    return [int(folder.name) for folder in folders if folder.name.isdecimal()]


def _put_in_place(bundle: Path, target: Path) -> None:
    """Renames an incoming bundle, unless it was done already; two processes may try at once."""
    if not bundle.is_dir() or target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        bundle.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _incoming(workspace: Workspace, model: str) -> Path:
    return workspace.registry / model / "incoming"


def _cleared(folder: Path) -> Path:
    """The folder, without what killed registrations left in it; only under the lock."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _is_whole(version: ModelVersion) -> bool:
    try:
        open_bundle(version.bundle)
    except BundleError:
        return False
    return bundle_digest(version.bundle) == version.digest


@contextmanager
def _mlflow(workspace: Workspace) -> Iterator[MlflowClient]:
    """A client of the workspace's database, whose errors become RegistryError."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before the import: it reads it then
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        yield MlflowClient(tracking_uri=workspace.database, registry_uri=workspace.database)
    except MlflowException as error:
        reason = " ".join(str(error).split())
        raise RegistryError(f"MLflow's registry refused ({error.error_code}): {reason}") from error

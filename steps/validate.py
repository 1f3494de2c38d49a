"""Manifest -> the same without quarantined rows, or the run stops with the rows that broke a contract."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import log_metadata, step
from zenml.types import HTMLString

from data_contracts.quality import check_data
from data_contracts.validation import ContractFileError
from registry.workspace import Workspace
from steps.materializers import ManifestMaterializer
from vision.bundle import sha256_file
from vision.config import ContractsConfig
from vision.errors import ConfigError, ContractBreach
from vision.ingest import measured_properties
from vision.manifest import ISSUES, Manifest
from vision.quality_config import QualityPolicies

logger = logging.getLogger(__name__)


def fingerprint_contracts(contracts: ContractsConfig) -> str:
    """What the contract files say: while it stays the same, an unchanged manifest is not checked again."""
    for field, path in contracts:
        if not Path(path).is_file():
            raise ConfigError(
                f"no contract at {path}: set config.contracts.{field} to a YAML of data_contracts/"
            )
    return ":".join(sha256_file(Path(path)) for _, path in contracts)


@step(output_materializers={"valid_manifest": ManifestMaterializer})
def validate(
    manifest: Manifest, contracts: ContractsConfig, policies: QualityPolicies, fingerprint: str
) -> tuple[
    Annotated[Manifest, "valid_manifest"],
    Annotated[pd.DataFrame, "quarantine"],
    Annotated[HTMLString, "data_docs"],
]:
    """Checks the manifest, its images' measured properties and the policies, by Great Expectations."""
    try:
        report = check_data(
            manifest.table,
            measured_properties(manifest),
            files=dict(contracts),
            policies=policies.model_dump(),
            columns=ISSUES,
            docs_folder=Workspace.from_environment().data_docs,
        )
    except ContractFileError as error:
        raise ConfigError(str(error)) from error
    log_metadata({"fingerprint": fingerprint, "quarantined": len(report.quarantined)})
    if report.critical:
        raise ContractBreach(report.summary())
    if report.breaches:
        logger.warning("%s", report.summary())
    valid = manifest.table[~manifest.table["path"].isin(list(report.quarantined))]
    return manifest.with_table(valid), report.quarantine, HTMLString(report.docs_index.read_text())

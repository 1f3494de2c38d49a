"""The prediction log -> which of the champion's answers this look is at; they must keep their contract."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from zenml import log_metadata, step
from zenml.types import HTMLString

import data_contracts
from data_contracts.validation import validate_tables
from registry.service_window import ServiceWindow, open_window, read_answers
from registry.workspace import Workspace
from vision.errors import ContractBreach
from vision.manifest import SEPARATOR
from vision.operation_config import MonitorConfig

CONTRACT = Path(data_contracts.__file__).with_name("predictions.yaml")


@step(enable_cache=False)
def read_service(
    config: MonitorConfig, name: str
) -> tuple[Annotated[ServiceWindow, "service_window"], Annotated[HTMLString, "answers_docs"]]:
    """The window alone is an artifact: the log and the kept images forget after their days."""
    workspace = Workspace.from_environment()
    window = open_window(workspace, name, days=config.days, until=datetime.now(UTC))
    answers = read_answers(workspace, window)
    log_metadata({"version": window.version or "none", "answers": len(answers)})
    if answers.empty:
        return window, HTMLString("<p>no answers</p>")
    tables = {"predictions": (_for_contract(answers, window), CONTRACT)}
    report = validate_tables(tables, docs_folder=workspace.root / "data_docs_service", row_name="id")
    if report.critical:
        raise ContractBreach(f"answers of {name} version {window.version}: {report.summary()}")
    return window, HTMLString(report.docs_index.read_text())


def _for_contract(answers: pd.DataFrame, window: ServiceWindow) -> pd.DataFrame:
    """The columns of data_contracts/predictions.yaml."""
    probabilities = np.array(answers["probabilities"].to_list(), np.float64)
    seconds = answers[["decode_seconds", "infer_seconds"]].sum(axis=1)
    return pd.DataFrame(
        {
            "id": answers["id"].array,
            "task": answers["task"].array,
            "class": answers["names"].map(SEPARATOR.join).array,
            "confidence": answers["confidence"].array,
            "lowest_probability": probabilities.min(axis=1),
            "probability_sum": probabilities.sum(axis=1),
            "model": window.model,
            "version": answers["version"].array,
            "milliseconds": 1000 * seconds.array,
        }
    )

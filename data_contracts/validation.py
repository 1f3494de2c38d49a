"""Runs Great Expectations suites over tables and says which rows break which expectation.

It knows nothing of images: a table, a contract and the name of the column that names a row are all it takes.
Great Expectations takes 3 s to import, so that happens in the functions that need it.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.breaches import Breach, ValidationReport
from data_contracts.contract_file import Contract, ContractFileError, read_contract
from data_contracts.data_docs import INDEX, SITE, finish_docs, site_config, swapped_folder

__all__ = ["Breach", "Contract", "ContractFileError", "ValidationReport", "validate_tables"]

KEYS = ("type", "kwargs", "severity", "meta")


def validate_tables(
    tables: Mapping[str, tuple[pd.DataFrame, Path | Contract]], *, docs_folder: Path, row_name: str = "path"
) -> ValidationReport:
    """The breaches of each (table, contract), and Data Docs in `docs_folder`/index.html.

    A contract is the path of a YAML or, where code made it, what such a YAML holds. Rows are named by
    their column `row_name`. ContractFileError where a contract cannot be read or run.
    """
    contracts = {name: _open(name, contract) for name, (_, contract) in tables.items()}
    gx = _import_great_expectations()
    suites = {name: _build_suite(gx, contract, where) for name, (contract, where) in contracts.items()}
    breaches: list[Breach] = []
    with swapped_folder(docs_folder) as folder:
        context = _new_context(gx, folder)
        for name, (table, _) in tables.items():
            results = _run_suite(gx, context, name, suites[name], table, row_name)
            breaches.extend(_read_breach(name, result, table, row_name) for result in results)
        finish_docs(folder, {name: [b for b in breaches if b.suite == name] for name in tables})
    return ValidationReport(tuple(breaches), docs_folder / INDEX)


def _open(name: str, contract: Path | Contract) -> tuple[Contract, str]:
    """What the contract says, and where a mistake in it is to be looked for."""
    if isinstance(contract, Path):
        return read_contract(contract), str(contract)
    return contract, f"the contract on {name}"


def _import_great_expectations() -> Any:
    # Both before the import: it would print 214 lines after ZenML's, and call home.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Where gcsfs brings google-api-core, it is imported too, and warns of the end of Python 3.11 in 2027.
        warnings.filterwarnings("ignore", "You are using a Python version", FutureWarning)
        import great_expectations

    return great_expectations


def _new_context(gx: Any, docs_folder: Path) -> Any:
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        # Without this every context leaves a folder of its own in /tmp.
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={SITE: site_config(docs_folder)},
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _build_suite(gx: Any, contract: Contract, where: str) -> Any:
    entries = contract["expectations"]
    if not isinstance(entries, list) or not entries:
        raise ContractFileError(f"{where}: expectations is {entries!r}; needed is a list with at least one")
    expectations = [
        _build_expectation(entry, f"{where}: expectation {place}")
        for place, entry in enumerate(entries, start=1)
    ]
    # All at once: add_expectation_configuration keeps one of two on a column that differ in bounds (1.24).
    return gx.ExpectationSuite(name=str(contract["name"]), expectations=expectations)


def _build_expectation(entry: Any, where: str) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise ContractFileError(f"{where} has no type: received {entry!r}")
    if not set(entry) <= set(KEYS):
        raise ContractFileError(f"{where} has {', '.join(map(str, entry))}; allowed are {', '.join(KEYS)}")
    try:
        return ExpectationConfiguration(**{"kwargs": {}, **entry}).to_domain_obj()
    except Exception as error:  # every kind of mistake has its own exception in Great Expectations
        raise ContractFileError(
            f"{where} ({entry['type']}): {' '.join(str(error).split())}; the types and their arguments are"
            " listed at https://greatexpectations.io/expectations"
        ) from error


def _run_suite(gx: Any, context: Any, name: str, suite: Any, table: pd.DataFrame, row_name: str) -> list[Any]:
    """The failed results, in the order of the contract."""
    suite = context.suites.add(suite)
    batch = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    definition = gx.ValidationDefinition(
        name=name, data=batch.add_batch_definition_whole_dataframe(name), suite=suite
    )
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[context.validation_definitions.add(definition)],
        actions=[gx.checkpoint.UpdateDataDocsAction(name=SITE, site_names=[SITE])],
        result_format=_result_format(table, row_name),
    )
    run = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": table})
    (validation,) = run.run_results.values()
    order = {expectation.id: place for place, expectation in enumerate(suite.expectations)}
    failed = [result for result in validation.results if not result.success]
    return sorted(failed, key=lambda result: order[result.expectation_config.id])


def _result_format(table: pd.DataFrame, row_name: str) -> dict[str, Any]:
    names = {"unexpected_index_column_names": [row_name]} if row_name in table.columns else {}
    return {"result_format": "COMPLETE", **names}


def _read_breach(name: str, result: Any, table: pd.DataFrame, row_name: str) -> Breach:
    config = result.expectation_config
    meta = config.meta or {}
    failing = result.result.get("unexpected_index_list") or []
    rows = tuple(dict.fromkeys(str(row[row_name] if isinstance(row, dict) else row) for row in failing))
    message = str(meta.get("message") or f"{config.type} {config.kwargs} does not hold")
    return Breach(
        suite=name,
        expectation=config.type,
        column=str(config.kwargs.get("column", "")),
        severity=config.severity.value,
        # Without rows (a missing column, say) there is nothing to leave out, so the run has to stop.
        quarantine=bool(meta.get("quarantine")) and bool(rows),
        message=message + _why_unchecked(result.exception_info),
        rows=rows,
        details=_details(table, row_name, str(meta.get("details", "")), rows),
    )


def _why_unchecked(exceptions: dict[str, Any]) -> str:
    """Great Expectations' reason where the expectation could not be evaluated, else ""."""
    infos = [exceptions] if "raised_exception" in exceptions else list(exceptions.values())
    raised = [info["exception_message"] for info in infos if info["raised_exception"]]
    return f" (it could not be checked: {' '.join(str(raised[0]).split())})" if raised else ""


def _details(table: pd.DataFrame, row_name: str, column: str, rows: tuple[str, ...]) -> tuple[str, ...]:
    if not {row_name, column} <= set(table.columns):
        return ()
    texts = dict(zip(table[row_name].astype(str), table[column].astype(str), strict=True))
    return tuple(texts[row] for row in rows)

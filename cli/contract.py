"""`sightline contract`: a contract proposed from one data set, and other sets held against it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.data import RunFile, Source
from cli.options import AsJson
from cli.output import show_json, show_rows

contract = typer.Typer(help="Propose data contracts, and hold data sets against them.")

Folder = Annotated[Path, typer.Option("--output", help="folder of the proposed contracts")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace contracts that are there")]


@contract.command()
def infer(
    source: Source = None,
    config: RunFile = None,
    output: Folder = Path("data_contracts"),
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Propose contracts from a data set, for a person to review and commit."""
    from cli.examination import configure, examine
    from data_contracts.inference import infer_contracts, write_contract
    from registry.workspace import Workspace
    from vision.ingest import measured_properties

    settings = configure(source, config)
    manifest = examine(settings, Workspace.from_environment()).manifest
    tables = {"manifest": manifest.table, "images": measured_properties(manifest)}
    proposed = infer_contracts(tables, is_multi_label=manifest.is_multi_label)
    files = {name: output / f"{settings.name}-{name}.yaml" for name in proposed}
    today = datetime.now(UTC).date()
    facts: dict[str, Any] = {"images": len(manifest.table), "revision": manifest.revision, "day": today}
    for name, file in files.items():
        write_contract(proposed[name], file, overwrite=overwrite, **facts)
    if as_json:
        show_json({name: str(file) for name, file in files.items()})
        return
    lines = ", ".join(f"{name}: {file}" for name, file in files.items())
    show_rows({**files, "next": f"review and commit them, then set config.contracts to {{{lines}}}"})


@contract.command()
def check(source: Source = None, config: RunFile = None, as_json: AsJson = False) -> int:
    """Hold a data set against the contracts of a YAML; 1 where a run would stop."""
    from cli.examination import configure, examine
    from registry.workspace import Workspace

    report = examine(configure(source, config), Workspace.from_environment()).report
    breaches = [
        {"contract": breach.suite, "effect": breach.effect, "message": breach.message, "rows": breach.rows}
        for breach in report.breaches
    ]
    if as_json:
        show_json({"holds": not report.critical, "breaches": breaches})
    else:
        lines = {f"{number}.": breach.describe() for number, breach in enumerate(report.breaches, start=1)}
        show_rows({"holds": "no" if report.critical else "yes", **lines})
    return 1 if report.critical else 0

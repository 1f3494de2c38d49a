"""Contracts proposed from a data set that is known to be good, for people to review and commit.

A proposal is the default contract, tightened to what was seen: classes, their shares, how many images,
formats and modes, and how large, bright, sharp ... they are. It holds on the set that it comes from. The
idea is TFDV's infer_schema (Breck et al. 2019, "Data validation for machine learning", section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pandas as pd
import yaml

from data_contracts.contract_file import Contract, ContractFileError
from data_contracts.proposals import propose_images, propose_manifest

HEADER = """\
# Proposed from {images:,} images of revision {revision} on {date}.
# Review it (what was seen is not all that is right), commit it, and set config.contracts.{name} to it.
# Ranges, where there are any: from the 0.5th to the 99.5th percentile seen, widened on both sides by the
# interquartile range, for 99 % of the images; and the median must lie between the quartiles. They only warn.
"""


def infer_contracts(
    tables: Mapping[str, pd.DataFrame], *, is_multi_label: bool = False
) -> dict[str, Contract]:
    """A contract for each table: "manifest" (all rows) and "images" (the measured rows), either or both.

    ContractFileError for another name, and for a table without rows.
    """
    proposals: dict[str, Callable[[pd.DataFrame], Contract]] = {
        "manifest": lambda table: propose_manifest(table, is_multi_label=is_multi_label),
        "images": propose_images,
    }
    for name, table in tables.items():
        if name not in proposals:
            raise ContractFileError(
                f'no contract is proposed for "{name}": tables are {", ".join(proposals)}'
            )
        if table.empty:
            raise ContractFileError(f"no contract can be proposed from {name}: it has no rows")
    return {name: proposals[name](table) for name, table in tables.items()}


def write_contract(
    contract: Contract, path: Path, *, images: int, revision: str, day: date, overwrite: bool = False
) -> None:
    """Writes the YAML, with where it comes from and how it is used on top; equal input, equal bytes.

    ContractFileError where the file exists (it may have been reviewed) or cannot be written.
    """
    facts = {"images": images, "revision": revision[:12], "date": day.isoformat(), "name": contract["name"]}
    header = HEADER.format(**facts)
    text = yaml.dump(
        dict(contract),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=105,
        default_flow_style=None,  # what holds only words and numbers on one line
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(header + text)
    except FileExistsError as error:
        raise ContractFileError(
            f"{path} exists and may have been reviewed: write to another file, or allow overwriting"
        ) from error
    except OSError as error:
        raise ContractFileError(f"{path} cannot be written: {error.strerror}") from error


class _Dumper(yaml.SafeDumper):
    """Writes a list out wherever it stands: `*id001` is nothing to review."""

    def ignore_aliases(self, data: object) -> bool:
        return True

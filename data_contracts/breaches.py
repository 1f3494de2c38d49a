"""What a validation found, as data: a breach is one expectation that does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class Breach:
    """One expectation that does not hold. `rows` names what fails; `details` runs beside it, or is ()."""

    suite: str
    expectation: str
    column: str
    severity: str
    quarantine: bool
    message: str
    rows: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def effect(self) -> str:
        """What it means for the run: critical, quarantined or warning."""
        return "quarantined" if self.quarantine else self.severity

    @property
    def reasons(self) -> tuple[tuple[str, str], ...]:
        """Each failing row, and why: the message and, where there are any, the row's details."""
        details = self.details or ("",) * len(self.rows)
        told = [f"{self.message} ({text})" if text else self.message for text in details]
        return tuple(zip(self.rows, told, strict=True))

    def name_rows(self, limit: int) -> str:
        """At most `limit` failing rows with their details, and how many more there are."""
        details = self.details or ("",) * len(self.rows)
        named = [f"{row} ({text})" if text else row for row, text in zip(self.rows, details, strict=True)]
        more = f" and {len(named) - limit} more" if len(named) > limit else ""
        return ", ".join(named[:limit]) + more

    def describe(self, limit: int = 10) -> str:
        """One line that names at most `limit` rows."""
        where = f"{self.suite}.{self.column}" if self.column else self.suite
        rows = f" [{len(self.rows)} rows: {self.name_rows(limit)}]" if self.rows else ""
        return f"{self.effect}: {where}: {self.message}{rows}"


@dataclass(frozen=True)
class ValidationReport:
    """What the contracts found."""

    breaches: tuple[Breach, ...]
    docs_index: Path

    @property
    def critical(self) -> tuple[Breach, ...]:
        """The breaches that stop a run."""
        return tuple(
            breach for breach in self.breaches if breach.severity == "critical" and not breach.quarantine
        )

    @property
    def quarantined(self) -> dict[str, str]:
        """Row -> reason, of the rows that are to be left out."""
        reasons: dict[str, str] = {}
        for breach in self.breaches:
            for row, reason in breach.reasons if breach.quarantine else ():
                reasons[row] = f"{reasons[row]}; {reason}" if row in reasons else reason
        return reasons

    @property
    def quarantine(self) -> pd.DataFrame:
        """The same as a table with the columns path and reason, which may be empty."""
        return pd.DataFrame(list(self.quarantined.items()), columns=["path", "reason"], dtype=str)

    def summary(self, limit: int = 10) -> str:
        """One readable text, the worst first, each breach with at most `limit` rows."""
        if not self.breaches:
            return f"all data contracts hold; {self.docs_index}"
        order = sorted(self.breaches, key=lambda breach: (breach not in self.critical, not breach.quarantine))
        return "\n".join([*(breach.describe(limit) for breach in order), f"see {self.docs_index}"])

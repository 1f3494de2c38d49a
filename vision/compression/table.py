"""What the compress step tried and which row serves: read by the report without any runtime."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Measurement(BaseModel):
    """One row: accuracy (0..1) on validation images, latency at batch 1 on the machine that measured.

    `student`: the architecture that took the trained network's place, "" for the network itself; `pruned`:
    share of channels removed. `highest_drop_points`: the upper end of the loss's paired 95 % interval. Of a
    row with a `failure` no figure counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: str
    precision: str
    student: str = ""
    pruned: float = 0.0
    accuracy: float = 0.0
    accuracy_drop_points: float = 0.0
    highest_drop_points: float = 0.0
    size_bytes: int = 0
    latency_ms: float = 0.0
    is_within_budget: bool = False
    is_chosen: bool = False
    failure: str = ""

    @property
    def title(self) -> str:
        """What was done to the network, in words; without runtime and precision."""
        pruned = f"{self.pruned:.0%} pruned" if self.pruned else ""
        return ", ".join(filter(None, (self.student, pruned)))

    def beats(self, other: Measurement) -> bool:
        """Whether it is at least as fast and as accurate, and better in one of the two."""
        mine, theirs = (self.latency_ms, -self.accuracy), (other.latency_ms, -other.accuracy)
        return mine != theirs and mine[0] <= theirs[0] and mine[1] <= theirs[1]


class CompressionTable(BaseModel):
    """All that was tried, the Keras original first; exactly one row serves.

    `parent`: the digest of that original, which the one that serves was made of. `max_megabytes`: of 10^6
    bytes, None for any size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: tuple[Measurement, ...]
    max_accuracy_drop: float
    max_megabytes: float | None = None
    parent: str = ""

    @property
    def chosen(self) -> Measurement:
        return next(row for row in self.rows if row.is_chosen)

    def choosing(self, best: Measurement) -> CompressionTable:
        """The same, in which this row serves."""
        rows = tuple(row.model_copy(update={"is_chosen": row is best}) for row in self.rows)
        return self.model_copy(update={"rows": rows})

    def is_small_enough(self, row: Measurement) -> bool:
        """Whether its files are within `max_megabytes`."""
        return self.max_megabytes is None or row.size_bytes <= self.max_megabytes * 1e6

    @property
    def is_compressed(self) -> bool:
        """Whether what serves is more than the trained network in float32 on another runtime."""
        chosen = self.chosen
        return bool(chosen.title) or chosen.precision != "float32"

    @property
    def front(self) -> tuple[Measurement, ...]:
        """The Pareto front: the rows that no other beats in speed and accuracy, the fastest first."""
        made = [row for row in self.rows if not row.failure]
        best = [row for row in made if not any(other.beats(row) for other in made)]
        return tuple(sorted(best, key=lambda row: row.latency_ms))

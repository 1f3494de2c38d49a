"""One part of the plan -> one parquet file. What a worker process does, on whichever machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vision.batch.plan import Plan


class PartDone(NamedTuple):
    """A part that is written."""

    part: int
    images: int
    unreadable: int


@dataclass(frozen=True)
class PartPredictor:
    """Predicts the parts of one plan; it can be sent to another process."""

    plan: Plan

    def __call__(self, part: int) -> PartDone:
        """Writes the part, whole or not at all; doing it twice gives the same file."""
        import pyarrow as pa
        from pyarrow.parquet import write_table

        from vision.batch.answers import answer_rows, output_schema
        from vision.batch.loading import load_batches
        from vision.batch.opening import batch_size, open_classifier

        plan, model = self.plan, self.plan.model
        classifier = open_classifier(model)
        batches = load_batches(plan.images_of(part), batch_size(classifier), plan.bytes_column)
        rows = answer_rows(classifier, batches)
        for row in rows:
            row.update(model=model.name, version=model.version)
        table = pa.Table.from_pylist(rows, output_schema(classifier.class_names))
        with plan.folder.writing(plan.part_name(part)) as file:
            write_table(table, file)
        return PartDone(part, len(rows), sum(row["error"] is not None for row in rows))

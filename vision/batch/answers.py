"""What a classifier says of images -> rows of the output; each says what the service would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vision.batch.loading import Loaded
from vision.classifier import ImageClassifier
from vision.errors import ImageError
from vision.manifest import SEPARATOR
from vision.uncertainty.rules import Judgement

if TYPE_CHECKING:
    import pyarrow

Row = dict[str, Any]


def output_schema(class_names: tuple[str, ...]) -> pyarrow.Schema:
    """The columns; `class_names`, in the order of the probabilities, are in its metadata."""
    import json

    import pyarrow as pa

    fields = [
        ("path", pa.string()),
        ("sha256", pa.string()),  # of the encoded image
        ("class", pa.string()),  # several labels joined by "|", "" where none is present
        ("confidence", pa.float32()),  # the greatest probability
        ("probabilities", pa.list_(pa.float32())),
        ("prediction_set", pa.list_(pa.string())),  # most probable first
        ("energy", pa.float64()),
        ("unusual", pa.bool_()),
        ("abstain", pa.bool_()),
        ("model", pa.string()),
        ("version", pa.int32()),
        ("error", pa.string()),  # why there is no answer
    ]
    return pa.schema(fields, metadata={"class_names": json.dumps(class_names)})


def answer_rows(classifier: ImageClassifier, batches: Iterable[list[Loaded]]) -> list[Row]:
    """A row an image; of one that cannot be decoded with `error`. Model and version are left out.

    A batch is inferred at a time, and all are judged at once: that costs a call, whatever their number.
    """
    rows: list[Row] = []
    answered: list[Row] = []
    logits = []
    for batch in batches:
        pixels = []
        for image in batch:
            row, decoded = _decode(classifier, image)
            rows.append(row)
            if decoded is not None:
                pixels.append(decoded)
                answered.append(row)
        if pixels:
            logits.append(classifier.logits(np.stack(pixels)))
    if answered:
        answers = _answers(classifier, classifier.judge(np.concatenate(logits)))
        for row, answer in zip(answered, answers, strict=True):
            row.update(answer)
    return rows


def _decode(classifier: ImageClassifier, image: Loaded) -> tuple[Row, NDArray[np.uint8] | None]:
    """The row as far as it is known, and pixels (H, W, 3) where there are any."""
    if image.reason:
        return {"path": image.path, "error": image.reason}, None
    row: Row = {"path": image.path, "sha256": sha256(image.data).hexdigest(), "error": None}
    try:
        return row, classifier.preprocessing.apply(image.data)
    except ImageError as error:
        return row | {"error": str(error)}, None


def _answers(classifier: ImageClassifier, judgement: Judgement) -> Iterator[Row]:
    probabilities, names = judgement.probabilities, np.array(classifier.class_names, object)
    order = (-probabilities).argsort(axis=1, kind="stable")  # ties in the order of the names
    columns: dict[str, Sequence[Any]] = {
        "confidence": probabilities.max(axis=1).tolist(),
        "probabilities": list(probabilities),
        **_doubt(classifier, judgement, names, order),
    }
    if classifier.task == "multi_label":
        present = _ranked(names, order, classifier.present(probabilities))
        columns["class"] = [SEPARATOR.join(labels) for labels in present]
    else:
        columns["class"] = names[order[:, 0]].tolist()
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _doubt(
    classifier: ImageClassifier, judgement: Judgement, names: NDArray[Any], order: NDArray[np.intp]
) -> dict[str, Sequence[Any]]:
    """Nothing where the bundle has no rules, or its task none of that kind."""
    rules = classifier.uncertainty
    if rules is None:
        return {}
    doubt = {"energy": judgement.energy.tolist(), "unusual": judgement.unusual.tolist()}
    if classifier.task == "multi_class":
        doubt["abstain"] = judgement.abstains.tolist()
        if rules.sets is not None:
            doubt["prediction_set"] = _ranked(names, order, judgement.sets)
    return doubt


def _ranked(names: NDArray[Any], order: NDArray[np.intp], chosen: NDArray[np.bool_]) -> list[list[str]]:
    """The chosen names of each row, most probable first."""
    ranked = np.take_along_axis(chosen, order, axis=1)
    return [names[row[is_chosen]].tolist() for row, is_chosen in zip(order, ranked, strict=True)]

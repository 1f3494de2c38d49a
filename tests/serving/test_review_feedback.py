"""What the service does so that there is something to review: doubtful images, and whose feedback it was."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from registry.prediction_files import feedback_folder
from registry.predictions import read_predictions
from registry.workspace import Workspace
from serving.front.keys import add_key
from serving.observers.kept_images import KeptImages, is_doubtful
from tests.registry.log_rows import NOON, make_feedback, make_prediction, write
from tests.serving.in_process import in_process
from tests.serving.made_answers import make_answer


def answer_that(*, abstains: bool, unusual: bool):
    answer = make_answer()
    judgement = replace(answer.judgement, abstains=np.array([abstains]), unusual=np.array([unusual]))
    return replace(answer, judgement=judgement)


@pytest.mark.parametrize(
    ("doubtful", "abstains", "unusual", "kept"),
    [
        (True, True, False, 1),
        (True, False, True, 1),
        (True, False, False, 0),
        (False, True, True, 0),
    ],
)
def test_images_of_doubtful_answers_are_kept_where_asked_for(
    tmp_path, doubtful, abstains, unusual, kept
) -> None:
    images = KeptImages(
        tmp_path, share=0, days=1, megabytes=1, count=lambda event, amount: None, doubtful=doubtful
    )
    answer = answer_that(abstains=abstains, unusual=unusual)
    images.start()
    images.classified(answer, b"image")
    images.close()

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [answer.id] * kept
    assert is_doubtful(answer) == (abstains or unusual)


def test_feedback_has_its_keys_name(registry, encoded, tmp_path) -> None:
    from datetime import UTC, datetime

    registry.promote(1)
    keys = tmp_path / "keys.json"
    headers = {"x-api-key": add_key(keys, "shop", now=datetime.now(UTC))}
    with in_process(registry.workspace, keys_file=keys) as service:
        raw = headers | {"content-type": "image/jpeg"}
        prediction = service.post("/v1/classify", content=encoded["photo.jpg"], headers=raw).json()["id"]
        said = service.post("/v1/feedback", json={"id": prediction, "label": "one"}, headers=headers)
        assert said.status_code == 202

    [row] = read_predictions(registry.workspace, "digits").to_pylist()
    assert (row["truth"], row["key"]) == (["one"], "shop")


def test_feedback_of_before_keys_were_noted_is_read(tmp_path, caplog) -> None:
    home, old, new = Workspace(tmp_path), make_prediction(NOON, 1), make_prediction(NOON + 60_000, 2)
    write(home, old, make_feedback(NOON, ["Milch"], of=old))
    [path] = feedback_folder(home).rglob("*.parquet")
    table = parquet.read_table(path)
    parquet.write_table(table.drop_columns(["key"]), path)
    write(home, new, replace(make_feedback(NOON + 60_000, ["Milch"], of=new), key="shop"))

    rows = read_predictions(home, "grocery").to_pylist()

    assert [(row["truth"], row["key"]) for row in rows] == [(["Milch"], ""), (["Milch"], "shop")]
    assert not caplog.records


def test_a_file_that_lacks_another_column_is_passed_over(tmp_path, caplog) -> None:
    home, row = Workspace(tmp_path), make_prediction()
    write(home, row, make_feedback(NOON, ["Milch"], of=row))
    [path] = feedback_folder(home).rglob("*.parquet")
    table = parquet.read_table(path)
    assert isinstance(table, pa.Table)
    parquet.write_table(table.drop_columns(["comment"]), path)

    assert [row["truth"] for row in read_predictions(home, "grocery").to_pylist()] == [None]
    assert "is passed over" in caplog.text
    assert json.loads(table.schema.metadata[b"class_names"])

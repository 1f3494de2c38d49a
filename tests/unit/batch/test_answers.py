"""The rows of the output: what the classifier and the service say of each image alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from serving.answers import describe, named_classes
from tests.serving.conftest import CLASS_NAMES
from tests.unit.batch.conftest import Predict, save_model, write_images
from vision.batch.opening import open_classifier
from vision.batch.plan import BatchModel
from vision.golden import hostile_images

COLUMNS = [
    "path", "sha256", "class", "confidence", "probabilities", "prediction_set", "energy", "unusual",
    "abstain", "model", "version", "error",
]  # fmt: skip


def rows(tmp_path: Path) -> pd.DataFrame:
    return pd.read_parquet(tmp_path / "out").sort_values("path").reset_index(drop=True)


def test_output_has_a_row_an_image_and_its_columns(
    photos: list[Path], predict: Predict, tmp_path: Path
) -> None:
    predict(tmp_path / "photos")
    table = rows(tmp_path)
    assert list(table.columns) == COLUMNS
    assert table["path"].tolist() == sorted(map(str, photos))
    assert set(table["model"]) == {"digits"}
    assert set(table["version"]) == {1}
    assert table["error"].isna().all()


def test_schema_names_the_classes(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    predict(photos[0])
    schema = pyarrow.parquet.read_schema(tmp_path / "out" / "part-000000.parquet")
    assert tuple(json.loads(schema.metadata[b"class_names"])) == CLASS_NAMES


def test_sha256_is_of_the_file(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    predict(photos[0])
    assert rows(tmp_path)["sha256"].item() == hashlib.sha256(photos[0].read_bytes()).hexdigest()


def test_probabilities_are_those_of_each_image_alone(
    model: BatchModel, photos: list[Path], predict: Predict, tmp_path: Path
) -> None:
    predict(tmp_path / "photos")
    classifier = open_classifier(model)
    alone = [classifier.classify(path.read_bytes()) for path in sorted(photos)]
    assert np.allclose(np.stack(rows(tmp_path)["probabilities"]), alone, rtol=0, atol=1e-6)


def test_each_row_says_what_the_service_would(
    model: BatchModel, photos: list[Path], predict: Predict, tmp_path: Path
) -> None:
    predict(tmp_path / "photos")
    classifier = open_classifier(model)
    for row in rows(tmp_path).to_dict("records"):
        judgement = classifier.judge(
            classifier.logits(classifier.preprocessing.apply(Path(row["path"]).read_bytes())[None])
        )
        said = describe(classifier, judgement, named_classes(classifier, judgement.probabilities[0]), top_k=3)
        doubt = {**said["uncertainty"]}  # type: ignore[dict-item]
        assert (row["class"], list(row["prediction_set"])) == (said["class"], doubt["prediction_set"])
        assert (row["unusual"], row["abstain"]) == (doubt["unusual"], doubt["abstain"])
        assert row["confidence"] == pytest.approx(said["confidence"], abs=1e-6)
        assert row["energy"] == pytest.approx(doubt["energy"], abs=1e-4)


def test_the_photos_are_of_both_kinds_of_doubt(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    """So that the test before can tell one flag from the other."""
    summary = predict(tmp_path / "photos")
    assert 0 < summary.abstained < 7  # type: ignore[operator]
    assert 0 < summary.unusual < 7  # type: ignore[operator]


def test_a_model_without_rules_says_nothing_of_doubt(
    photos: list[Path], predict: Predict, tmp_path: Path
) -> None:
    summary = predict(photos[0], model=save_model(tmp_path / "plain"))
    assert rows(tmp_path)[["prediction_set", "energy", "unusual", "abstain"]].isna().all(axis=None)
    assert summary.unusual is None
    assert summary.abstained is None


def test_several_labels_are_joined(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    several = save_model(tmp_path / "several", task="multi_label", thresholds=(0.45,) * len(CLASS_NAMES))
    predict(photos[0], model=several)
    row = rows(tmp_path).iloc[0]
    present = {name for name, p in zip(CLASS_NAMES, row["probabilities"], strict=True) if p >= 0.45}
    assert len(present) > 1
    assert set(row["class"].split("|")) == present


def test_bad_files_are_rows_with_a_reason(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "photos" / "a-text.png").write_bytes(b"no image")
    (tmp_path / "photos" / "b-gone.png").symlink_to("nowhere")
    (tmp_path / "photos" / "c-empty.png").write_bytes(b"")
    summary = predict(tmp_path / "photos")
    bad = rows(tmp_path).query("error.notna()").set_index("path")
    assert [Path(path).name for path in bad.index] == ["a-text.png", "b-gone.png", "c-empty.png"]
    assert "none of the allowed formats" in bad["error"].iloc[0]
    assert bad["error"].iloc[1] == "the file cannot be read: No such file or directory"
    assert bad[["class", "probabilities"]].isna().all(axis=None)
    assert (summary.images, summary.answered, summary.unreadable) == (10, 7, 3)


def test_images_of_a_table_answer_as_their_files(
    photos: list[Path], predict: Predict, tmp_path: Path
) -> None:
    table = tmp_path / "images.parquet"
    data = [path.read_bytes() for path in sorted(photos)]
    frame = pd.DataFrame({"path": [path.name for path in sorted(photos)], "bytes": [*data[:6], None]})
    frame.to_parquet(table, row_group_size=2)
    predict(table)
    predict(tmp_path / "photos", output=str(tmp_path / "files"))
    files = pd.read_parquet(tmp_path / "files").sort_values("path")
    found = pd.read_parquet(tmp_path / "out")
    assert found["sha256"].tolist()[:6] == files["sha256"].tolist()[:6]
    assert found["class"].tolist()[:6] == files["class"].tolist()[:6]
    assert "received 0 bytes" in found["error"].iloc[6]


def test_a_table_that_is_named_twice_has_its_rows_twice(
    photos: list[Path], predict: Predict, tmp_path: Path
) -> None:
    table = tmp_path / "images.parquet"
    pd.DataFrame({"bytes": [path.read_bytes() for path in photos[:2]]}).to_parquet(table)
    predict(table, photos[0], table, table, part_images=10)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in photos[:2]]
    assert pd.read_parquet(tmp_path / "out")["sha256"].tolist() == [*digests, digests[0], *digests, *digests]


def test_awkward_images_are_predicted_as_the_service_does(
    model: BatchModel, predict: Predict, tmp_path: Path
) -> None:
    (tmp_path / "odd").mkdir()
    for name, data in hostile_images().items():
        (tmp_path / "odd" / name).write_bytes(data)
    predict(tmp_path / "odd")
    classifier = open_classifier(model)
    for row in rows(tmp_path).itertuples():
        assert np.allclose(
            row.probabilities, classifier.classify(Path(str(row.path)).read_bytes()), atol=1e-6
        )


def test_a_store_is_read_and_written(model: BatchModel, predict: Predict, tmp_path: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    paths = write_images(tmp_path / "source", 5)
    for path in paths:
        store.pipe_file(f"/in/{path.name}", path.read_bytes())
    try:
        summary = predict("memory://in", output="memory://out")
        names = {name for name in store.find("/out") if name.endswith(".parquet")}
        assert names == {"/out/part-000000.parquet", "/out/part-000001.parquet"}
        assert (summary.images, summary.answered) == (5, 5)
        assert predict("memory://in", output="memory://out") == summary
    finally:
        store.store.clear()
        store.pseudo_dirs[:] = [""]

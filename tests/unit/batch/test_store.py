"""Images from an S3 server, answers into it, by two processes; a store that refuses ends the run."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pandas as pd
import pytest

from tests.unit.batch.conftest import Predict, write_images
from tests.unit.test_sources_remote import s3, s3_endpoint
from vision.batch.plan import BatchModel, make_plan
from vision.batch.run import predict_plan
from vision.batch_config import BatchConfig
from vision.errors import DataError
from vision.location import Location

__all__ = ["s3", "s3_endpoint"]


@pytest.mark.slow
def test_processes_read_and_write_a_bucket(s3: str, model: BatchModel, tmp_path: Path) -> None:
    store = fsspec.filesystem("s3")
    for path in write_images(tmp_path, 30):
        store.put_file(str(path), f"{s3}/in/{path.name}")
    config = BatchConfig(paths=(f"{s3}/in",), output=f"{s3}/out", part_images=10, processes=2)
    assert predict_plan(make_plan(config, model), config).answered == 30
    rows = pd.read_parquet(f"{s3}/out")
    assert sorted(rows["path"]) == [f"{s3}/in/{number:05d}.png" for number in range(30)]
    assert "summary.html" in {Path(name).name for name in store.ls(f"{s3}/out/_batch")}


def test_a_store_that_refuses_ends_the_run(
    predict: Predict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(location: Location, path: str) -> bytes:
        raise PermissionError("the token has expired")

    store = fsspec.filesystem("memory")
    store.pipe_file("/in/a.png", b"1")
    monkeypatch.setattr(Location, "read", refuse)
    try:
        with pytest.raises(
            DataError, match=r"memory://in/a\.png cannot be fetched.*expired.*run the same again"
        ):
            predict("memory://in")
    finally:
        store.store.clear()
        store.pseudo_dirs[:] = [""]
    assert not list((tmp_path / "out").glob("part-*"))

"""A batch that was killed goes on where it was; another batch into its folder is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.batch.conftest import Predict, save_model
from vision.batch.engines import ENGINES, Work
from vision.batch.part import PartDone
from vision.batch.plan import BatchModel
from vision.batch_config import BatchConfig
from vision.errors import BundleError, DataError
from vision.file_lock import exclusive
from vision.location import Location


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def dying(predict: Predict, tmp_path: Path) -> Predict:
    """Predicts one part of the photos' three, and dies."""

    def die(work: Work, parts: Sequence[int], config: BatchConfig) -> Iterator[PartDone]:
        yield work(parts[0])
        raise Killed

    def run(*paths: object, **options: object) -> None:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            patch.setitem(ENGINES, "processes", die)
            predict(*paths, **options)

    return run  # type: ignore[return-value]


def parts(tmp_path: Path) -> dict[str, int]:
    """Part files and when they were written."""
    return {path.name: path.stat().st_mtime_ns for path in sorted((tmp_path / "out").glob("part-*"))}


def test_a_second_run_predicts_the_missing_parts_alone(
    photos: list[Path], predict: Predict, dying: Predict, tmp_path: Path
) -> None:
    dying(tmp_path / "photos")
    first = parts(tmp_path)
    assert list(first) == ["part-000000.parquet"]
    assert predict(tmp_path / "photos").last_run.images == 4
    assert parts(tmp_path).items() >= first.items()
    assert sorted(pd.read_parquet(tmp_path / "out")["path"]) == sorted(map(str, photos))


def test_a_killed_run_has_no_summary(photos: list[Path], dying: Predict, tmp_path: Path) -> None:
    dying(tmp_path / "photos")
    assert sorted(path.name for path in (tmp_path / "out" / "_batch").glob("[!.]*")) == [
        "images.arrow",
        "plan.json",
    ]


def test_a_finished_batch_is_not_done_again(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    first = predict(tmp_path / "photos")
    written = parts(tmp_path)
    assert predict(tmp_path / "photos") == first
    assert parts(tmp_path) == written


def test_an_unfinished_file_is_no_part_and_is_removed(
    photos: list[Path], predict: Predict, dying: Predict, tmp_path: Path
) -> None:
    dying(tmp_path / "photos")
    left = tmp_path / "out" / ".part-000001.parquet-0123.unfinished"
    left.write_bytes(b"PAR1")
    assert predict(tmp_path / "photos").images == 7
    assert not left.exists()


def test_a_part_that_fails_leaves_no_file(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr("os.fsync", _full_from(2))  # the plan's two files are written
        predict(tmp_path / "photos")
    assert parts(tmp_path) == {}
    assert not list((tmp_path / "out").glob(".part*"))
    assert predict(tmp_path / "photos").answered == 7


def _full_from(count: int) -> object:
    calls = iter(range(100))

    def fsync(descriptor: int) -> None:
        if next(calls) >= count:
            raise OSError(28, "disk full")

    return fsync


def test_a_plan_that_was_not_whole_is_made_anew(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "out" / "_batch").mkdir(parents=True)
    (tmp_path / "out" / "_batch" / "images.arrow").write_bytes(b"ARROW1")
    assert predict(tmp_path / "photos").answered == 7


def test_another_model_is_refused(
    photos: list[Path], predict: Predict, dying: Predict, tmp_path: Path
) -> None:
    dying(tmp_path / "photos")
    other = save_model(tmp_path / "other", seed=2)
    with pytest.raises(
        DataError, match=r"another model: received digits version 2.*there it is digits version 1"
    ):
        predict(tmp_path / "photos", model=other)


def test_the_same_model_elsewhere_goes_on(
    model: BatchModel, photos: list[Path], predict: Predict, dying: Predict, tmp_path: Path
) -> None:
    dying(tmp_path / "photos")
    shutil.copytree(model.folder, tmp_path / "moved")
    moved = model.model_copy(update={"folder": str(tmp_path / "moved")})
    assert predict(tmp_path / "photos", model=moved).images == 7


@pytest.mark.parametrize("change", ("more", "fewer", "touched"))
def test_another_list_of_images_is_refused(
    photos: list[Path], predict: Predict, dying: Predict, tmp_path: Path, change: str
) -> None:
    dying(tmp_path / "photos")
    if change == "more":
        (tmp_path / "photos" / "new.png").write_bytes(photos[0].read_bytes())
    elif change == "fewer":
        photos[0].unlink()
    else:
        os.utime(photos[0], (1, 1))
    with pytest.raises(DataError, match=r"another (number|list) of images.*--output"):
        predict(tmp_path / "photos")


def test_another_size_of_parts_is_refused(
    photos: list[Path], predict: Predict, dying: Predict, tmp_path: Path
) -> None:
    dying(tmp_path / "photos")
    with pytest.raises(DataError, match="another images a part: received 4, there it is 3"):
        predict(tmp_path / "photos", part_images=4)


def test_the_list_is_the_same_in_any_order(
    photos: list[Path], predict: Predict, dying: Predict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dying(tmp_path / "photos")
    files = Location.files
    monkeypatch.setattr(Location, "files", lambda self: reversed(list(files(self))))
    predict(tmp_path / "photos")
    assert sorted(pd.read_parquet(tmp_path / "out")["path"]) == sorted(map(str, photos))


def test_a_folder_with_other_files_is_refused(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"photos holds other files \(00000\.png\), and no batch"):
        predict(tmp_path / "photos", output=str(tmp_path / "photos"))


def test_parts_whose_plan_is_gone_are_refused(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    predict(tmp_path / "photos")
    (tmp_path / "out" / "_batch" / "plan.json").unlink()
    with pytest.raises(DataError, match=r"holds other files \(part-000000\.parquet\), and no batch"):
        predict(tmp_path / "photos")


def test_a_file_name_that_is_no_text_is_refused(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    with pytest.raises(DataError, match=r"file name '.*caf\\udce9\.png' cannot be written.*rename"):
        predict(tmp_path / "photos")


def test_two_at_a_time_are_refused(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    lock = tmp_path / "out" / "_batch" / ".lock"
    with exclusive(lock), pytest.raises(DataError, match=f"being written by process {os.getpid()}"):
        predict(tmp_path / "photos")


def test_an_altered_bundle_is_refused(photos: list[Path], predict: Predict, tmp_path: Path) -> None:
    altered = save_model(tmp_path / "altered", seed=7)
    (tmp_path / "altered" / "bundle.json").write_text("{}")
    with pytest.raises(BundleError, match="digest differs"):
        predict(tmp_path / "photos", model=altered)


def test_a_bundle_that_is_not_there_says_on_which_machine(
    photos: list[Path], predict: Predict, tmp_path: Path
) -> None:
    nowhere = BatchModel(folder=str(tmp_path / "none"), name="digits", version=1, digest="0")
    with pytest.raises(BundleError, match=r"no bundle at .*none on .*every machine"):
        predict(tmp_path / "photos", model=nowhere)

"""What the manifest says of an image, and what becomes of one that cannot be read."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision.ingest import measured_properties, read_images
from vision.manifest import COLUMNS, Manifest
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing
from vision.sources.listing import ListedImage, Listing

DATA = Path(__file__).parents[3] / "shared" / "data"


def save(root: Path, name: str, pixels: object, mode: str | None = None) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(pixels, np.uint8))
    (image.convert(mode) if mode else image).save(root / name)


def read(root: Path, max_pixels: int = 10_000) -> Manifest:
    files = sorted(path for path in root.rglob("*") if path.is_file() or path.is_symlink())
    rows = [ListedImage(path.relative_to(root).as_posix(), path.parent.name, "", 7, 0, "g") for path in files]
    preprocessing = Preprocessing(image_size=(4, 4), max_pixels=max_pixels)
    store = PixelStore(root.parent / f"{root.name}-pixels", preprocessing)
    return read_images(Listing(str(root), tuple(rows)), store)


def test_reading_fills_every_column(tmp_path: Path) -> None:
    save(tmp_path, "a/1.png", [[0, 255, 0]] * 2, "RGB")
    manifest = read(tmp_path)
    row = manifest.table.iloc[0]
    data = (tmp_path / "a/1.png").read_bytes()
    assert tuple(manifest.table.columns) == COLUMNS
    assert (row["path"], row["label"], row["split"], row["group"]) == ("a/1.png", "a", "", "g")
    assert row["reason"] == ""
    assert (row["format"], row["mode"], row["width"], row["height"]) == ("PNG", "RGB", 3, 2)
    assert (row["sha256"], row["size_bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert row["is_readable"]


def test_reading_keeps_further_columns_as_numbers_where_they_are(tmp_path: Path) -> None:
    further = [("phone", "1.5", "01"), ("", "", "x")]
    save(tmp_path / "data", "a/1.png", [[0]])
    save(tmp_path / "data", "a/2.png", [[1]])
    rows = [ListedImage(f"a/{place + 1}.png", "a", "", 7, 0, "", row) for place, row in enumerate(further)]
    listing = Listing(str(tmp_path / "data"), tuple(rows), further=("camera", "age", "code"))
    table = read_images(listing, PixelStore(tmp_path / "pixels", Preprocessing(image_size=(4, 4)))).table
    assert tuple(table.columns) == (*COLUMNS, "camera", "age", "code")
    assert table["camera"].tolist() == ["phone", ""]
    assert table["code"].tolist() == ["01", "x"]
    assert table["age"].iloc[0] == 1.5
    assert table["age"].isna().tolist() == [False, True]


def test_reading_gives_the_stored_size_of_an_image_on_its_side(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a").mkdir()
    Image.new("L", (5, 3)).save(tmp_path / "a/1.jpg", exif=exif)
    assert read(tmp_path).table.iloc[0][["width", "height"]].tolist() == [5, 3]


def test_unreadable_files_become_rows_with_the_reason(tmp_path: Path) -> None:
    save(tmp_path, "a/big.png", np.zeros((200, 200)))
    (tmp_path / "a/empty.png").touch()
    (tmp_path / "a/gone.png").symlink_to("nowhere")
    (tmp_path / "a/text.png").write_text("hello")
    table = read(tmp_path).table
    assert not table["is_readable"].any()
    assert table["width"].tolist() == [0, 0, 0, 0]
    for reason, words in zip(
        table["reason"], ("200 x 200", "0 bytes", "No such file", "formats"), strict=True
    ):
        assert words in reason


def test_the_order_is_the_listings_and_nothing_is_written_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(50):
        save(tmp_path, f"a/{number:02d}.png", np.zeros((1, number + 1)))
    assert read(tmp_path).table["width"].tolist() == list(range(1, 51))
    assert capsys.readouterr() == ("", "")


def test_no_images_give_an_empty_table(tmp_path: Path) -> None:
    assert tuple(read(tmp_path).table.columns) == COLUMNS


def test_properties_are_those_of_the_readable_images(tmp_path: Path) -> None:
    save(tmp_path, "a/tall.png", np.zeros((8, 2)))
    save(tmp_path, "a/wide.png", np.zeros((2, 6)))
    (tmp_path / "a/empty.png").touch()
    properties = measured_properties(read(tmp_path))
    assert dict(zip(properties["path"], properties["aspect_ratio"], strict=True)) == {
        "a/tall.png": 4.0,
        "a/wide.png": 3.0,
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning", "ignore:.*EXIF:UserWarning")
@pytest.mark.parametrize("folder", ("hostile-images", "exif-orientation"))
def test_every_hostile_file_is_read_or_named(folder: str, tmp_path: Path) -> None:
    if not (DATA / folder).exists():
        pytest.skip(f"the development data {DATA / folder} is not on this machine")
    shutil.copytree(DATA / folder, tmp_path / "images/a", ignore=shutil.ignore_patterns("LICENSE"))
    table = read(tmp_path / "images", max_pixels=64_000_000).table
    assert len(table) == len(list((tmp_path / "images/a").iterdir()))
    assert (table["is_readable"] | (table["reason"] != "")).all()
    assert table["is_readable"].sum() >= 0.8 * len(table)

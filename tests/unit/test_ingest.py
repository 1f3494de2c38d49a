"""What is measured of an image, and what becomes of one that cannot be read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision.ingest import measure_images, measured_properties
from vision.manifest import COLUMNS, Manifest
from vision.sources.listing import ListedImage, Listing

WHITE = (255, 255, 255)


def save(root: Path, name: str, pixels: object, mode: str | None = None) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(pixels, np.uint8))
    (image.convert(mode) if mode else image).save(root / name)


def measure(root: Path, max_pixels: int = 10_000) -> Manifest:
    files = sorted(path for path in root.rglob("*") if path.is_file() or path.is_symlink())
    rows = [ListedImage(path.relative_to(root).as_posix(), path.parent.name, "", 7, 0) for path in files]
    return measure_images(Listing(root, tuple(rows)), max_pixels=max_pixels, background=WHITE)


def test_measure_fills_every_column(tmp_path: Path) -> None:
    save(tmp_path, "a/1.png", [[0, 255, 0]] * 2, "RGB")
    manifest = measure(tmp_path)
    row = manifest.table.iloc[0]
    data = (tmp_path / "a/1.png").read_bytes()
    assert tuple(manifest.table.columns) == COLUMNS
    assert (row["path"], row["label"], row["split"], row["reason"]) == ("a/1.png", "a", "", "")
    assert (row["format"], row["mode"], row["width"], row["height"]) == ("PNG", "RGB", 3, 2)
    assert (row["sha256"], row["size_bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert row["is_readable"]


def test_measure_gives_brightness_contrast_and_sharpness(tmp_path: Path) -> None:
    # Luminance 0 0 / 204 204: mean 102 = 0.4 * 255, deviation 102. OpenCV's Laplacian mirrors without
    # repeating the edge, so it is 2 * 204 = 408 in the dark row and -408 in the light one: variance 408^2.
    save(tmp_path, "a/1.png", [[0, 0], [204, 204]])
    row = measure(tmp_path).table.iloc[0]
    assert row[["brightness", "contrast"]].tolist() == pytest.approx([0.4, 0.4])
    assert row["sharpness"] == pytest.approx(408**2)


@pytest.mark.parametrize("size", ((1, 1), (1, 9), (9, 1)))
def test_measure_takes_images_one_pixel_wide(tmp_path: Path, size: tuple[int, int]) -> None:
    save(tmp_path, "a/1.png", np.full(size, 51))
    row = measure(tmp_path).table.iloc[0]
    assert row[["brightness", "contrast", "sharpness"]].tolist() == pytest.approx([0.2, 0, 0])


def test_measure_gives_the_stored_size_of_an_image_on_its_side(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a").mkdir()
    Image.new("L", (5, 3)).save(tmp_path / "a/1.jpg", exif=exif)
    assert measure(tmp_path).table.iloc[0][["width", "height"]].tolist() == [5, 3]


def test_unreadable_files_become_rows_with_the_reason(tmp_path: Path) -> None:
    save(tmp_path, "a/big.png", np.zeros((200, 200)))
    (tmp_path / "a/empty.png").touch()
    (tmp_path / "a/gone.png").symlink_to("nowhere")
    (tmp_path / "a/text.png").write_text("hello")
    table = measure(tmp_path).table
    assert not table["is_readable"].any()
    assert table["width"].tolist() == [0, 0, 0, 0]
    for reason, words in zip(
        table["reason"], ("200 x 200", "0 bytes", "No such file", "formats"), strict=True
    ):
        assert words in reason


def test_label_conflict_is_the_same_bytes_in_two_classes(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        save(tmp_path, name, [[0]])
    for name in ("a/3.png", "a/4.png", "b/2.png"):
        save(tmp_path, name, [[1 if name[0] == "a" else 2]])
    (tmp_path / "a/empty.png").touch()
    (tmp_path / "b/empty.png").touch()
    table = measure(tmp_path).table.set_index("path")
    conflicts = set(table.index[table["has_label_conflict"]])
    assert conflicts == {"a/1.png", "a/2.png", "b/1.png"}


def test_measure_keeps_the_order_and_writes_nothing_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(50):
        save(tmp_path, f"a/{number:02d}.png", [[number]])
    table = measure(tmp_path).table
    assert (table["brightness"] * 255).round().tolist() == list(range(50))
    assert capsys.readouterr() == ("", "")


def test_no_images_give_an_empty_table(tmp_path: Path) -> None:
    assert tuple(measure(tmp_path).table.columns) == COLUMNS


def test_properties_are_those_of_the_readable_images(tmp_path: Path) -> None:
    save(tmp_path, "a/tall.png", np.zeros((8, 2)))
    save(tmp_path, "a/wide.png", np.zeros((2, 6)))
    (tmp_path / "a/empty.png").touch()
    properties = measured_properties(measure(tmp_path))
    assert dict(zip(properties["path"], properties["aspect_ratio"], strict=True)) == {
        "a/tall.png": 4.0,
        "a/wide.png": 3.0,
    }

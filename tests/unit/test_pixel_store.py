"""Nothing is read twice, nothing is half-written, and memory does not grow with the data."""

from __future__ import annotations

import errno
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision import pixel_store, shards
from vision.errors import DataError
from vision.location import Location
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing

SMALL = Preprocessing(image_size=(2, 3))


@pytest.fixture
def location(tmp_path: Path) -> Location:
    """Forty gray images of value 0, 1, 2 ...: the value says which image it is."""
    for number in range(40):
        (tmp_path / "data").mkdir(exist_ok=True)
        Image.new("L", (6, 4), number).save(tmp_path / "data" / f"{number:02d}.png")
    return Location.parse(tmp_path / "data")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are opened from now on; in this process."""
    paths: list[str] = []
    read = Location.read

    def note(self: Location, path: str) -> bytes:
        paths.append(path)
        return read(self, path)

    monkeypatch.setattr(Location, "read", note)
    return paths


def read(store: PixelStore, location: Location) -> list[int]:
    table = store.read(location, sorted(location.files(), key=lambda file: file.path))
    return [int(image[0, 0, 0]) for image in store.images(table[table["is_readable"]]["sha256"].tolist())[:]]


def test_pixels_come_in_the_order_of_the_files(location: Location, tmp_path: Path) -> None:
    assert read(PixelStore(tmp_path / "out", SMALL), location) == list(range(40))


def test_processes_give_the_same(location: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_store, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(pixel_store, "SMALLEST_SHARD", 7)
    assert read(PixelStore(tmp_path / "out", SMALL), location) == list(range(40))
    assert len(list(tmp_path.glob("out/*/*.npy"))) == 6  # 5 of 7 and one of 5


def test_an_unchanged_file_is_not_opened_again(location: Location, tmp_path: Path, opened: list[str]) -> None:
    assert read(PixelStore(tmp_path / "out", SMALL), location) == list(range(40))
    opened.clear()
    assert read(PixelStore(tmp_path / "out", SMALL), location) == list(range(40))
    assert opened == []


def test_a_set_that_grows_or_changes_costs_what_is_new(
    location: Location, tmp_path: Path, opened: list[str]
) -> None:
    store = PixelStore(tmp_path / "out", SMALL)
    read(store, location)
    opened.clear()
    Image.new("L", (6, 4), 200).save(f"{location.url}/99.png")
    Image.new("L", (6, 5), 100).save(f"{location.url}/07.png")
    assert read(store, location) == [*range(7), 100, *range(8, 40), 200]
    assert opened == ["07.png", "99.png"]


def test_another_preprocessing_has_its_own_pixels(location: Location, tmp_path: Path) -> None:
    read(PixelStore(tmp_path / "out", SMALL), location)
    read(PixelStore(tmp_path / "out", Preprocessing(image_size=(3, 3))), location)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_file_that_could_not_be_opened_is_tried_again(
    location: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PixelStore(tmp_path / "out", SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(Location, "read", lambda *_: (_ for _ in ()).throw(TimeoutError("store asleep")))
        assert read(store, location) == []
    assert read(store, location) == list(range(40))


def test_broken_files_are_rows_with_a_reason(location: Location, tmp_path: Path) -> None:
    Path(f"{location.url}/03.png").write_bytes(b"broken")
    store = PixelStore(tmp_path / "out", SMALL)
    table = store.read(location, list(location.files())).set_index("path")
    assert not table.loc["03.png", "is_readable"] and "formats" in table.loc["03.png", "reason"]
    assert table["is_readable"].sum() == 39


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_said_and_nothing_half_written_is_left(
    location: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shards, "_write_header", no_space)
        with pytest.raises(DataError, match=r"no space left .*SIGHTLINE_HOME.*config\.prepare\.image_size"):
            read(PixelStore(tmp_path / "out", SMALL), location)
    assert list(tmp_path.rglob("out/*/[!.]*")) == []
    assert read(PixelStore(tmp_path / "out", SMALL), location) == list(range(40))


def test_too_small_a_disk_is_refused_before_anything_is_read(
    location: Location, tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # 40 images of 2 x 3 x 3 bytes are 720 bytes.
    usage = type("Usage", (), {"free": 719})
    monkeypatch.setattr(pixel_store.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="40 prepared images need"):
        read(PixelStore(tmp_path / "out", SMALL), location)
    assert opened == []


def limit_file_size() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def run(location: Location, out: Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", READ, location.url, str(out)], capture_output=True, text=True, **options
    )  # type: ignore[call-overload,no-any-return]


# Reads at 300 x 300 pixels, 270,000 bytes an image, and prints how many images there are.
READ = """
import sys
from pathlib import Path
from vision.location import Location
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing
location = Location(sys.argv[1])
store = PixelStore(Path(sys.argv[2]), Preprocessing(image_size=(300, 300)))
table = store.read(location, list(location.files()))
print(len(store.images(table["sha256"].tolist())))
"""


def test_a_disk_that_fills_up_under_a_real_write_ends_in_one_message(
    location: Location, tmp_path: Path
) -> None:
    failed = run(location, tmp_path / "out", preexec_fn=limit_file_size)
    assert "DataError: no space left for prepared images" in failed.stderr
    assert list(tmp_path.rglob("out/*/[!.]*")) == []
    assert run(location, tmp_path / "out").stdout == "40\n"


def test_a_killed_run_keeps_what_was_whole_and_the_next_reads_the_rest(
    location: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    hanging = KILLED.format(stop="30.png")
    process = subprocess.Popen([sys.executable, "-c", hanging, location.url, str(tmp_path / "out")])
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("out/*/*.parquet"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert read(PixelStore(tmp_path / "out", SMALL), location) == list(range(40))
    assert opened == [f"{number}.png" for number in range(30, 40)]


# Reads in shards of ten, in one process, and never comes to the end of one image.
KILLED = """
import sys, time
from pathlib import Path
from vision import pixel_store
from vision.location import Location
from vision.preprocessing import Preprocessing
read = Location.read
Location.read = lambda self, path: time.sleep(600) if path == "{stop}" else read(self, path)
pixel_store.SHARD_IMAGES = 10
pixel_store.map_in_processes = lambda function, items, **_: map(function, items)
location = Location(sys.argv[1])
store = pixel_store.PixelStore(Path(sys.argv[2]), Preprocessing(image_size=(2, 3)))
store.read(location, sorted(location.files(), key=lambda file: file.path))
"""


def test_what_a_killed_run_left_in_work_is_removed(location: Location, tmp_path: Path) -> None:
    store = PixelStore(tmp_path / "out", SMALL)
    read(store, location)
    (folder,) = (tmp_path / "out").iterdir()
    left = [folder / name for name in ("a.npy.1.tmp", "orphan.npy", "b.parquet.tmp")]
    for file in left:
        file.touch()
    Image.new("L", (6, 4), 200).save(f"{location.url}/99.png")
    assert read(store, location) == [*range(40), 200]
    assert not any(file.exists() for file in left)


def test_two_runs_at_once_read_each_file_once(location: Location, tmp_path: Path, opened: list[str]) -> None:
    stores = [PixelStore(tmp_path / "out", SMALL) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda store: read(store, location), stores))
    assert results == [list(range(40))] * 2
    assert len(opened) == 40


# Prepares 300 images of 512 x 512 (225 MiB of pixels) with 96 MiB of memory beside what is loaded already.
LEAN = """
import resource, sys
from pathlib import Path
import numpy as np
from vision import pixel_store
from vision.location import Location
from vision.preprocessing import Preprocessing
import pyarrow.dataset, pandas
pixel_store.map_in_processes = lambda function, items, **_: map(function, items)
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 96 * 2**20,) * 2)
location = Location(sys.argv[1])
store = pixel_store.PixelStore(Path(sys.argv[2]), Preprocessing(image_size=(512, 512)))
table = store.read(location, sorted(location.files(), key=lambda file: file.path))
images = store.images(table["sha256"].tolist())
print(len(images), sum(int(images[row].max()) for row in range(len(images))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory limits are Linux's")
def test_a_set_larger_than_memory_is_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    random = np.random.default_rng(0)
    for number in range(300):
        pixels = random.integers(0, 200, (16, 16, 3), np.uint8)
        pixels[0, 0] = 255
        Image.fromarray(pixels).resize((512, 512), Image.Resampling.NEAREST).save(
            tmp_path / f"data/{number:03d}.png"
        )
    done = subprocess.run(
        [sys.executable, "-c", LEAN, str(tmp_path / "data"), str(tmp_path / "out")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == f"300 {300 * 255}\n", done.stderr[-2000:]
    assert sum(file.stat().st_size for file in tmp_path.glob("out/*/*.npy")) > 2 * 96 * 2**20

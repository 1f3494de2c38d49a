"""Ingest and prepare beside a bare loop of the fastest decoder; and memory, as a set grows tenfold."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
from joblib import Parallel, delayed
from PIL import Image
from simplejpeg import decode_jpeg, decode_jpeg_header

from benchmarks.datasets import DataSet, data_sets
from benchmarks.record import table, write_section
from vision.ingest import read_images
from vision.pixel_store import PixelStore
from vision.prepared import prepare_images
from vision.preprocessing import DCT_MARGIN
from vision.sources import list_images
from vision.sources.listing import Listing

ROUNDS = 7
TIMES = 10
MEMORY_SET = "flowers"


def main() -> None:
    with data_sets() as sets:
        if not sets:
            raise SystemExit("none of ../shared/data is here: nothing to measure")
        write_section("reading", table(HEAD, [_compare(data_set) for data_set in sets]))
        grown = [data_set for data_set in sets if data_set.name == MEMORY_SET]
        if grown:
            write_section("reading-memory", _memory(grown[0]))


HEAD = (
    "data", "images", "size", "bare loop, images/s", "ingest + prepare, images/s", "ratio, median",
    "ratio, range", "again, unchanged, s",
)  # fmt: skip


def _compare(data_set: DataSet) -> list[object]:
    with tempfile.TemporaryDirectory() as folder:
        listing = list_images(data_set.config, Path(folder))
        bare: Callable[[], float] = lambda: _bare(listing, data_set.image_size)  # noqa: E731
        ours: Callable[[], float] = lambda: _ours(data_set, listing)  # noqa: E731
        bare(), ours()  # both warm: processes started, files in the page cache
        pairs = [(bare(), ours()) if turn % 2 else (ours(), bare())[::-1] for turn in range(ROUNDS)]
        again = _again(data_set, listing)
    count = len(listing.rows)
    ratios = sorted(one / other for one, other in pairs)
    slow, fast = (statistics.median(times) for times in zip(*pairs, strict=True))
    height, width = data_set.image_size
    return [
        data_set.name, f"{count:,}", f"{height} x {width}", f"{count / slow:,.0f}", f"{count / fast:,.0f}",
        f"**{statistics.median(ratios):.2f}**", f"{ratios[0]:.2f} to {ratios[-1]:.2f}", f"{again:.2f}",
    ]  # fmt: skip


def _ours(data_set: DataSet, listing: Listing) -> float:
    """Seconds from a listing to prepared images: read, hash, decode, resize, write, link."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        _read_and_prepare(data_set, listing, Path(folder))
        return time.perf_counter() - started


def _again(data_set: DataSet, listing: Listing) -> float:
    with tempfile.TemporaryDirectory() as folder:
        _read_and_prepare(data_set, listing, Path(folder))
        started = time.perf_counter()
        _read_and_prepare(data_set, listing, Path(folder))
        return time.perf_counter() - started


def _read_and_prepare(data_set: DataSet, listing: Listing, folder: Path) -> None:
    manifest = read_images(listing, PixelStore(folder, data_set.preprocessing))
    train = manifest.with_table(manifest.readable.table.assign(split="train"))
    prepare_images(train, data_set.preprocessing, folder)


def _bare(listing: Listing, image_size: tuple[int, int]) -> float:
    """Seconds of the least there is to do: libjpeg-turbo, the same resize, one array on disk, every core."""
    files = [f"{listing.root}/{row.path}" for row in listing.rows]
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        file = Path(folder) / "images.npy"
        np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(len(files), *image_size, 3))
        step = -(-len(files) // (4 * cores))
        Parallel(n_jobs=cores)(
            delayed(_decode_all)(file, start, files[start : start + step], image_size)
            for start in range(0, len(files), step)
        )
        return time.perf_counter() - started


def _decode_all(file: Path, start: int, files: Sequence[str], image_size: tuple[int, int]) -> None:
    height, width = image_size
    images = np.lib.format.open_memmap(file, mode="r+")
    for place, name in enumerate(files, start=start):
        with open(name, "rb") as handle:  # noqa: PTH123 - the fastest way
            data = handle.read()
        least = {"min_height": DCT_MARGIN * height, "min_width": DCT_MARGIN * width}
        stored = decode_jpeg_header(data)
        is_larger = stored[0] >= least["min_height"] and stored[1] >= least["min_width"]
        pixels = decode_jpeg(data, colorspace="RGB", **(least if is_larger else {}))
        if pixels.shape[:2] != image_size:
            pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
        images[place] = pixels


def _memory(data_set: DataSet) -> str:
    """Peak memory of reading a set once, and the set with TIMES copies of every file."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, TIMES):
            root = Path(folder) / f"{times}"
            _copy(list_images(data_set.config, Path(folder)), root, times)
            images, seconds, peak = _read_in_a_process(root, data_set.image_size)
            rows.append((f"{images:,}", f"{seconds:.1f}", f"{peak:.0f}"))
            shutil.rmtree(root)
    return table(("images", "seconds", "peak memory, MiB (all processes, unique set size)"), rows)


def _copy(listing: Listing, root: Path, times: int) -> None:
    for row in listing.rows:
        for copy in range(times):
            target = root / f"{row.path}-{copy}{Path(row.path).suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(listing.root) / row.path, target)


def _read_in_a_process(root: Path, image_size: tuple[int, int]) -> tuple[int, float, float]:
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "benchmarks.reading", str(root), store, json.dumps(image_size)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peaks: list[float] = [0.0]
        watcher = threading.Thread(target=_watch, args=(process.pid, peaks))
        watcher.start()
        answer = json.loads(process.communicate()[0])
        watcher.join()
    return answer["images"], answer["seconds"], peaks[0] / 2**20


def _watch(pid: int, peaks: list[float]) -> None:
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            peaks[0] = max(peaks[0], sum(map(_memory_of, [process, *process.children(recursive=True)])))
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        return


def _memory_of(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.NoSuchProcess:
        return 0


def _read_once(root: str, store: str, image_size: str) -> None:
    from vision.data_config import DataConfig

    height, width = json.loads(image_size)
    data_set = DataSet("grown", DataConfig(source="class_folders", path=root), (height, width))
    started = time.perf_counter()
    listing = list_images(data_set.config, Path(store))
    _read_and_prepare(data_set, listing, Path(store))
    print(json.dumps({"images": len(listing.rows), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    _read_once(*sys.argv[1:])

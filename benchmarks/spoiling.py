"""Known faults in a copy of a data set: exact copies, near-duplicates and wrong labels, drawn from a seed."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from vision.manifest import SEPARATOR
from vision.sources.listing import ListedImage, Listing

SHARE = 0.05


@dataclass(frozen=True)
class Spoilt:
    """The listing with faults, and which: paths of copies -> of what, and of images with a wrong label."""

    listing: Listing
    exact: dict[str, str]
    near: dict[str, str]
    mislabelled: frozenset[str]


def spoil(
    listing: Listing,
    folder: Path,
    *,
    seed: int,
    exact: float = SHARE,
    near: float = SHARE,
    mislabelled: float = SHARE,
) -> Spoilt:
    """A copy of the listed files below `folder` with these shares of its images spoilt."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(listing.rows)).tolist()
    counts = (round(share * len(listing.rows)) for share in (exact, near, mislabelled))
    copied, altered, wrong = ([chosen.pop() for _ in range(count)] for count in counts)
    rows = list(listing.rows)
    for row in rows:
        target = folder / row.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((Path(listing.root) / row.path).read_bytes())
    copies = {_add(rows, rows[index], folder, "exact", bytes): rows[index].path for index in copied}
    changed = {
        _add(rows, rows[index], folder, "near", CHANGES[place % len(CHANGES)]): rows[index].path
        for place, index in enumerate(altered)
    }
    names = sorted({name for row in listing.rows for name in row.label.split(SEPARATOR) if name})
    for index in wrong:
        label = _other(rows[index].label, names, listing.is_multi_label, random)
        rows[index] = replace(rows[index], label=label)
    spoilt = replace(listing, root=str(folder), rows=tuple(sorted(rows, key=lambda row: row.path)))
    return Spoilt(spoilt, copies, changed, frozenset(rows[index].path for index in wrong))


def _add(
    rows: list[ListedImage], row: ListedImage, folder: Path, kind: str, change: Callable[[bytes], bytes]
) -> str:
    path = str(Path(row.path).with_stem(f"{Path(row.path).stem}-{kind}"))
    data = change((folder / row.path).read_bytes())
    (folder / path).write_bytes(data)
    rows.append(replace(row, path=path, size_bytes=len(data)))
    return path


def _other(label: str, names: list[str], is_multi_label: bool, random: np.random.Generator) -> str:
    if not is_multi_label:
        return str(random.choice([name for name in names if name != label]))
    flipped = str(random.choice(names))
    return SEPARATOR.join(sorted(set(filter(None, label.split(SEPARATOR))) ^ {flipped}))


def _encode(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _compress(data: bytes) -> bytes:
    return _encode(_open(data), quality=40)


def _shrink(data: bytes) -> bytes:
    image = _open(data)
    return _encode(image.resize((max(1, round(0.7 * image.width)), max(1, round(0.7 * image.height)))))


def _brighten(data: bytes) -> bytes:
    return _encode(ImageEnhance.Contrast(ImageEnhance.Brightness(_open(data)).enhance(1.1)).enhance(0.9))


def _crop(data: bytes) -> bytes:
    image = _open(data)
    x, y = round(0.03 * image.width), round(0.03 * image.height)
    return _encode(image.crop((x, y, image.width - x, image.height - y)))


CHANGES: tuple[Callable[[bytes], bytes], ...] = (_compress, _shrink, _brighten, _crop)

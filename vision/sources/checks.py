"""What is asked of every listing before an image is opened, whichever source it comes from."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from vision.errors import DataError
from vision.manifest import SEPARATOR, SPLITS
from vision.sources.listing import Listing

# A stratified split into train, validation and test at 20 % each needs five.
MIN_IMAGES_TO_SPLIT = 5
# How many names an error shows.
SHOWN = 10


def check_listing(listing: Listing, where: str) -> None:
    """DataError where no classifier can be learned from the listing; `where` says what is allowed and
    where to change it."""
    for row in listing.rows:
        check_printable("file name", row.path, advice="rename the file")
    labels = [_classes(row.label, listing.is_multi_label) for row in listing.rows]
    _check_spelling(listing.root, {name for names in labels for name in names}, where)
    _check_splits(listing, labels, where)
    _check_counts(listing, labels, where)


def check_printable(kind: str, name: str, *, advice: str) -> None:
    if not name.isprintable():
        raise DataError(f"{kind} {name!r} holds characters that cannot be written into a table: {advice}")


def first_names(names: Iterable[str]) -> str:
    """`a, b, c`, sorted, the tail as a count."""
    ordered = sorted(names)
    rest = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return ", ".join(ordered[:SHOWN]) + rest


def _classes(label: str, is_multi_label: bool) -> list[str]:
    return [name for name in label.split(SEPARATOR) if name] if is_multi_label else [label]


def _check_spelling(root: str, names: set[str], where: str) -> None:
    """Cat and cat are one class that two people wrote, and some file systems would make them one."""
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(" ".join(unicodedata.normalize("NFC", name).casefold().split()), []).append(name)
    doubled = [" and ".join(map(_quoted, names)) for names in alike.values() if len(names) > 1]
    if doubled:
        raise DataError(
            f"classes in {root} that differ only in case, white space or Unicode form:"
            f" {first_names(doubled)}; rename or join them, or {where}"
        )


def _quoted(name: str) -> str:
    """In double quotes, and with escapes where the letters alone would look like another name's."""
    return f'"{name}"' if unicodedata.is_normalized("NFC", name) else ascii(name)


def _check_splits(listing: Listing, labels: Sequence[list[str]], where: str) -> None:
    """Every class has an image to learn from."""
    pairs = [(row.split, name) for row, names in zip(listing.rows, labels, strict=True) for name in names]
    known = {name for split, name in pairs if split in ("", "train")}
    if not known:
        given = first_names({split for split, _ in pairs})
        raise DataError(f"no training image in {listing.root}: all images are in {given}; {where}")
    strangers = {f"{split}/{name}" for split, name in pairs if name not in known}
    if strangers:
        raise DataError(
            f"classes without a training image in {listing.root}: {first_names(strangers)}; allowed are the"
            f" classes of train: {first_names(known)}; add images of them to train, remove them, or {where}"
        )


def _check_counts(listing: Listing, labels: Sequence[list[str]], where: str) -> None:
    counts = Counter(name for names in labels for name in names)
    if len(counts) == 1:
        raise DataError(
            f"only one class in {listing.root}: {first_names(counts)}; at least 2 are needed; {where}"
        )
    small = [f"{name} ({count})" for name, count in counts.items() if count < MIN_IMAGES_TO_SPLIT]
    if small and not any(row.split for row in listing.rows):
        raise DataError(
            f"classes with fewer than {MIN_IMAGES_TO_SPLIT} images in {listing.root}: {first_names(small)};"
            f" that is the least for a split into {', '.join(SPLITS)}; add images, remove the classes, or"
            f" {where}"
        )

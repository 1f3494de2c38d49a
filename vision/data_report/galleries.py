"""Which images the data report shows, the worst of each kind of issue, with what is written under them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from vision.data_report.contents import DataSummary, ImageSet
from vision.image_array import ImageArray, Pixels
from vision.manifest import Manifest
from vision.report.images import Picture, thumbnail

# Cards of a gallery, pictures of a near-duplicate set, copies named of a set. With these and the two below,
# a page with every gallery full of pure noise, the worst there is, stays under 3 MB.
MAX_CARDS = 12
MAX_PICTURES = 3
MAX_PLACES = 6
# Images up to this side stand in the page as they are (PNG), others at SHOWN_SIDE (JPEG, a third of it).
EXACT_SIDE = 48
SHOWN_SIDE = 112
# Issue -> title, and what it means and what to do.
TITLES = {
    "dark": ("Dark", "The darkest first. Check the exposure, or whether the file is broken."),
    "light": ("Overexposed", "The brightest first."),
    "low_information": ("Almost one colour", "The emptiest first: is there anything to see in them?"),
    "blurry": ("Blurred", "The least sharp first. Keep them where the model will meet such images."),
    "grayscale": (
        "Without colour",
        "Harmless where all images are; beside colour images they may give a class away.",
    ),
    "odd_size": ("Of odd size", "The furthest from the median first. Thumbnails, crops or scans by mistake?"),
    "odd_aspect_ratio": (
        "Long and narrow",
        "Resizing distorts them: crop them, or set prepare.resize to pad.",
    ),
}


@dataclass(frozen=True)
class Place:
    """Where an image stands."""

    path: str
    label: str
    split: str


@dataclass(frozen=True)
class Card:
    """A picture, or none where the pixels are not at hand, and where it stands: of copies, several places."""

    picture: Picture | None
    places: tuple[Place, ...]
    more: int = 0  # places that are not named
    suggested_label: str | None = None  # "" is no class, None no doubt


@dataclass(frozen=True)
class Group:
    """Cards that belong together."""

    cards: tuple[Card, ...]
    more: int = 0  # images that are not shown
    across_classes: bool = False
    across_splits: bool = False


@dataclass(frozen=True)
class Gallery:
    """`total` groups were found, of which the first are shown."""

    name: str
    title: str
    note: str
    groups: tuple[Group, ...]
    total: int


class Galleries:
    """Makes the galleries of one data set."""

    def __init__(self, summary: DataSummary, manifest: Manifest, images: ImageArray | None) -> None:
        readable = manifest.readable.table
        columns = (readable[column] for column in ("path", "label", "split"))
        self._summary = summary
        self._images = images
        self._places = {place[0]: Place(*place) for place in zip(*columns, strict=True)}
        self._rows = {path: row for row, path in enumerate(self._places)}

    def __iter__(self) -> Iterator[Gallery]:
        """Labels first, then copies, then single pictures; what was not found is left out."""
        summary = self._summary
        found = (
            self._label_issues(),
            self._copies("label_conflicts", "The same bytes under different labels", summary.label_conflicts),
            self._copies("exact_duplicates", "Byte-identical copies", self._plain_copies()),
            self._near_duplicates(),
            *(self._singles(issue, *TITLES[issue], paths) for issue, paths in summary.issues.items()),
        )
        return (gallery for gallery in found if gallery.total)

    def _plain_copies(self) -> list[ImageSet]:
        """Those that are not shown as label conflicts already."""
        conflicts = {images.paths for images in self._summary.label_conflicts}
        return [images for images in self._summary.exact_duplicates if images.paths not in conflicts]

    def _label_issues(self) -> Gallery:
        doubtful = self._summary.label_issues
        groups = tuple(
            Group((self._card((issue.path,), suggested_label=issue.suggested_label),))
            for issue in doubtful[:MAX_CARDS]
        )
        note = "The most doubtful first: hard cases are among them, so look before changing a label."
        return Gallery("label_issues", "Doubtful labels", note, groups, len(doubtful))

    def _copies(self, name: str, title: str, sets: Sequence[ImageSet]) -> Gallery:
        """One picture is enough: copies look alike."""
        groups = tuple(
            Group((self._card(_most_varied(images)),), 0, images.across_classes, images.across_splits)
            for images in sets[:MAX_CARDS]
        )
        note = "Keep one file of each, under the label that is right."
        return Gallery(name, title, note, groups, len(sets))

    def _near_duplicates(self) -> Gallery:
        sets = self._summary.near_duplicates
        groups = tuple(self._near_set(images) for images in sets[:MAX_CARDS])
        note = "Almost the same picture: what differs in one set may be the label, the crop or the quality."
        return Gallery("near_duplicates", "Near-duplicates", note, groups, len(sets))

    def _near_set(self, images: ImageSet) -> Group:
        shown = _most_varied(images)[:MAX_PICTURES]
        cards = tuple(self._card((path,)) for path in shown)
        return Group(cards, len(images.paths) - len(shown), images.across_classes, images.across_splits)

    def _singles(self, name: str, title: str, note: str, paths: Sequence[str]) -> Gallery:
        groups = tuple(Group((self._card((path,)),)) for path in paths[:MAX_CARDS])
        return Gallery(name, title, note, groups, len(paths))

    def _card(self, paths: Sequence[str], *, suggested_label: str | None = None) -> Card:
        places = tuple(self._places[path] for path in paths[:MAX_PLACES])
        return Card(self._picture(places[0]), places, len(paths) - len(places), suggested_label)

    def _picture(self, place: Place) -> Picture | None:
        if self._images is None:
            return None
        return small_picture(self._images[self._rows[place.path]], f"{place.path}, labelled {place.label}")


def small_picture(pixels: Pixels, alt: str) -> Picture:
    """The image (H, W, 3), uint8, as it is up to EXACT_SIDE pixels and at SHOWN_SIDE above that."""
    if max(pixels.shape[:2]) > EXACT_SIDE:
        pixels = np.asarray(ImageOps.contain(Image.fromarray(pixels), (SHOWN_SIDE, SHOWN_SIDE)))
    return thumbnail(pixels, alt)


def _most_varied(images: ImageSet) -> tuple[str, ...]:
    """The paths, so that each label and split is met before any is met again."""
    met: Counter[tuple[str, str]] = Counter()
    turns = []
    for path, *place in zip(images.paths, images.labels, images.splits, strict=True):
        key = (place[0], place[1])
        turns.append((met[key], path))
        met[key] += 1
    return tuple(path for _, path in sorted(turns))

"""A first look at a data set: all labels, and the headers of some of the images.

A header is read in a tenth of a millisecond and 2,000 say as much of the sizes as all do, so that the
question "what is this folder?" is answered in seconds for any number of images.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, fields

import pandas as pd
from PIL import Image, UnidentifiedImageError

from vision.config import SplitConfig
from vision.decoding import DEFAULT_MAX_PIXELS, FORMATS, refuse_size
from vision.errors import DataError, ImageError
from vision.location import Location
from vision.manifest import COLUMNS, Manifest
from vision.parallel import map_in_threads
from vision.sources.listing import ListedImage, Listing

MOST_IMAGES = 2000
LISTED = ("path", "label", "split", "group", "size_bytes")  # columns that the listing fills
GRAY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F")  # of Pillow
LARGEST_SIGN = 32  # pixels: EMNIST and scikit-learn's digits have 28 and 8


@dataclass(frozen=True)
class _Seen:
    """The columns of the manifest that a header fills."""

    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    is_readable: bool = True
    reason: str = ""


def glance(listing: Listing, *, at_most: int = MOST_IMAGES) -> Manifest:
    """A row for every image, in the listing's order; at most `at_most` of them, evenly spread, are opened.

    Of the others width and height are 0, format and mode "", and they count as readable. sha256 is ""
    for all: this manifest says what the data is like, and is not for training.
    """
    places = [place * len(listing.rows) // at_most for place in range(at_most)]
    chosen = places if len(listing.rows) > at_most else list(range(len(listing.rows)))
    seen = dict(zip(chosen, _look(listing, [listing.rows[place] for place in chosen]), strict=True))
    nothing = _Seen()
    columns = {name: [getattr(image, name) for image in listing.rows] for name in LISTED}
    for field in fields(_Seen):
        columns[field.name] = [
            getattr(seen.get(place, nothing), field.name) for place in range(len(listing.rows))
        ]
    table = pd.DataFrame({**columns, "sha256": ""}, columns=list(COLUMNS))
    return Manifest(listing.root, table, listing.is_multi_label)


def _look(listing: Listing, images: list[ListedImage]) -> list[_Seen]:
    location = Location(listing.root)

    def look(image: ListedImage) -> _Seen:
        try:
            return _read_header(location.read(image.path))
        except UnidentifiedImageError:  # its own text holds an address, different in each run
            return _Seen(is_readable=False, reason=f"none of {', '.join(FORMATS)}")
        except ImageError as error:
            return _Seen(is_readable=False, reason=str(error))
        except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, struct.error ...
            return _Seen(is_readable=False, reason=f"{type(error).__name__}: {error}")

    with warnings.catch_warnings():
        # So many pixels that Pillow warns are too many for decode_image as well.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return map_in_threads(look, images, description="looking at headers")


def _read_header(data: bytes) -> _Seen:
    """What a file says of its pixels, none of which is decoded: a file that is cut short looks whole."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        refuse_size(image.size, DEFAULT_MAX_PIXELS)
        return _Seen(image.format or "", image.mode, *image.size)


@dataclass(frozen=True)
class Sight:
    """What the rules look at. Sides in pixels, shares 0..1.

    `largest_share` is that of the most common label, or set of labels; `aspect_spread` the 95th
    percentile of width / height over the 5th.
    """

    images: int
    training_images: int
    classes: int
    is_split: bool
    is_multi_label: bool
    median_side: int
    aspect_spread: float
    gray_share: float
    largest_share: float

    @property
    def looks_like_signs(self) -> bool:
        """Small and gray, as digits and letters are."""
        return self.median_side <= LARGEST_SIGN and self.gray_share > 0.9


def look_at(manifest: Manifest) -> Sight:
    """What a manifest says; rows of width 0 were not looked at or are unreadable, and have no size.

    DataError where no image is readable.
    """
    table = manifest.table
    sized = table[(table["width"] > 0) & (table["height"] > 0)]
    if sized.empty:
        reasons = sorted({reason for reason in table["reason"] if reason})[:3]
        raise DataError(
            f"none of the {len(table)} images of {manifest.root} is readable ({'; '.join(reasons)}): allowed"
            " are whole image files; set config.data.path in the YAML to where they lie"
        )
    aspects = (sized["width"] / sized["height"]).quantile([0.05, 0.95])
    is_split = bool((table["split"] == "train").any())
    split = SplitConfig()
    share = (1 - split.test) * (1 - split.validation)
    training = int((table["split"] == "train").sum()) if is_split else round(len(table) * share)
    return Sight(
        images=len(table),
        training_images=max(1, training),
        classes=len(manifest.class_names),
        is_split=is_split,
        is_multi_label=manifest.is_multi_label,
        median_side=int(sized[["width", "height"]].min(axis=1).median()),
        aspect_spread=float(aspects[0.95] / aspects[0.05]),
        gray_share=float(sized["mode"].isin(GRAY_MODES).mean()),
        largest_share=float(table["label"].value_counts(normalize=True).iloc[0]),
    )

"""A map back onto an image: the prepared one, or the original at its own resolution, the right way up."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vision.decoding import Pixels, Size, decode_image
from vision.preprocessing import Preprocessing

Map = NDArray[np.float32]  # (H, W), 0..1
Region = tuple[slice, slice]  # rows and columns

# Colours (256, 3), uint8: matplotlib's inferno (van der Walt and Smith 2015), which no service is to import.
INFERNO: Pixels = np.frombuffer(
    bytes.fromhex("""
    00000401000501010601010802010a02020c02020e03021004031204031405041706041907051b08051d09061f0a0722
    0b07240c08260d08290e092b10092d110a30120a32140b34150b37160b39180c3c190c3e1b0c411c0c431e0c451f0c48
    210c4a230c4c240c4f260c51280b53290b552b0b572d0b592f0a5b310a5c320a5e340a5f3609613809623909633b0964
    3d09653e0966400a67420a68440a68450a69470b6a490b6a4a0c6b4c0c6b4d0d6c4f0d6c510e6c520e6d540f6d550f6d
    57106e59106e5a116e5c126e5d126e5f136e61136e62146e64156e65156e67166e69166e6a176e6c186e6d186e6f196e
    71196e721a6e741a6e751b6e771c6d781c6d7a1d6d7c1d6d7d1e6d7f1e6c801f6c82206c84206b85216b87216b88226a
    8a226a8c23698d23698f24699025689225689326679526679727669827669a28659b29649d29649f2a63a02a63a22b62
    a32c61a52c60a62d60a82e5fa92e5eab2f5ead305dae305cb0315bb1325ab3325ab43359b63458b73557b93556ba3655
    bc3754bd3853bf3952c03a51c13a50c33b4fc43c4ec63d4dc73e4cc83f4bca404acb4149cc4248ce4347cf4446d04545
    d24644d34743d44842d54a41d74b3fd84c3ed94d3dda4e3cdb503bdd513ade5238df5337e05536e15635e25734e35933
    e45a31e55c30e65d2fe75e2ee8602de9612bea632aeb6429eb6628ec6726ed6925ee6a24ef6c23ef6e21f06f20f1711f
    f1731df2741cf3761bf37819f47918f57b17f57d15f67e14f68013f78212f78410f8850ff8870ef8890cf98b0bf98c0a
    f98e09fa9008fa9207fa9407fb9606fb9706fb9906fb9b06fb9d07fc9f07fca108fca309fca50afca60cfca80dfcaa0f
    fcac11fcae12fcb014fcb216fcb418fbb61afbb81dfbba1ffbbc21fbbe23fac026fac228fac42afac62df9c72ff9c932
    f9cb35f8cd37f8cf3af7d13df7d340f6d543f6d746f5d949f5db4cf4dd4ff4df53f4e156f3e35af3e55df2e661f2e865
    f2ea69f1ec6df1ed71f1ef75f1f179f2f27df2f482f3f586f3f68af4f88ef5f992f6fa96f8fb9af9fc9dfafda1fcffa4
    """),
    np.uint8,
).reshape(256, 3)


def overlay(image: Pixels, activation: Map) -> Pixels:
    """The image (H, W, 3), uint8, with its map (H, W) laid over it: dark purple low, yellow high.

    The image shows through more where the map is low, so that what did not matter stays recognisable, and
    is untouched where the map is NaN: what the model was not shown.
    """
    known = np.nan_to_num(activation)
    heat = INFERNO[np.minimum(known * 256, 255).astype(np.uint8)]
    opacity = np.where(np.isnan(activation), 0, (0.25 + 0.4 * known) * 255).round().astype(np.uint8)
    # Pillow's arithmetic needs no copy in float32 of an image that may have megapixels.
    layers = [Image.fromarray(each) for each in (heat, image, opacity)]
    return np.asarray(Image.composite(*layers))


def overlay_original(
    data: bytes, activation: Map, preprocessing: Preprocessing, *, max_side: int | None = None
) -> Pixels:
    """The encoded image (H, W, 3), uint8, with the map of its prepared image laid over it.

    At the resolution of the file, or no more than `max_side` pixels a side. Errors as decode_image.
    """
    image = original_image(data, preprocessing, max_side=max_side)
    return overlay(image, place_on_original(activation, image.shape[:2], preprocessing))


def original_image(data: bytes, preprocessing: Preprocessing, *, max_side: int | None = None) -> Pixels:
    """The encoded image (H, W, 3), uint8, upright and whole, as `preprocessing` meets it before resizing."""
    pixels = decode_image(
        data,
        max_pixels=preprocessing.max_pixels,
        background=preprocessing.background,
        at_least=(max_side, max_side) if max_side else None,
    ).pixels
    if max_side is None:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)  # enlarges nothing, keeps 1 pixel a side
    return np.asarray(image)


def place_on_original(activation: Map, size: Size, preprocessing: Preprocessing) -> Map:
    """The map (h, w) of a prepared image for the original of that height and width, by undoing the resize.

    NaN where the model was not shown the original; what lies on padding is left out.
    """
    if preprocessing.resize == "stretch":
        return enlarge(activation, size)
    placed = np.full(size, np.nan, np.float32)
    if preprocessing.resize == "crop":
        rows, columns = _cropped(size, activation.shape)
        placed[rows, columns] = enlarge(activation, placed[rows, columns].shape)
        return placed
    rows, columns = _padded(size, activation.shape)
    inside = activation[rows, columns]  # cut out first: resizing a box would mix in what lies around it
    return enlarge(inside, size) if inside.size else placed


def enlarge(activation: Map, size: tuple[int, ...]) -> Map:
    """The map resized to a height and width; bilinear."""
    height, width = size
    image = Image.fromarray(activation.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)


def _cropped(size: Size, prepared: tuple[int, ...]) -> Region:
    """What of the original ImageOps.fit keeps: the largest region of those proportions."""
    scale = min(outer / inner for outer, inner in zip(size, prepared, strict=True))
    margins = [max(0.0, outer - scale * inner) / 2 for outer, inner in zip(size, prepared, strict=True)]
    rows, columns = (
        slice(floor(margin), ceil(outer - margin)) for margin, outer in zip(margins, size, strict=True)
    )
    return rows, columns


def _padded(size: Size, prepared: tuple[int, ...]) -> Region:
    """Where ImageOps.pad puts an image of that size, its rounding included; empty where nothing is left."""
    height, width = prepared
    white = Image.new("L", size[::-1], 255)
    padded = ImageOps.pad(white, (width, height), Image.Resampling.NEAREST, color=0)
    left, top, right, bottom = padded.getbbox() or (0, 0, 0, 0)
    return slice(top, bottom), slice(left, right)

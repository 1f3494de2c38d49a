"""`Preprocessing.apply` as a TensorFlow graph, so that TensorFlow Serving can be sent a file as it is.

JPEG and PNG only: what the graph would decode otherwise than Pillow (GIF, BMP, WebP, TIFF) it refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import tensorflow as tf

from vision.decoding import DCT_SCALES, EXIF_MARK, JPEG_START
from vision.errors import ConfigError
from vision.preprocessing import DCT_MARGIN, Preprocessing

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_HEADER_BYTES = 25  # as far as the bits of a value (PNG specification, 11.2.2)
# Where an EXIF block is looked for: it stands before the picture, and is itself 64 KiB at most.
HEAD_BYTES = 1 << 17
ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 6
# TIFF 6.0, section 2: the bytes of a tag's entry, and the numbers of its types.
ENTRY_BYTES = 12
TYPES, SHORTS, LONGS = range(1, 14), (3, 8), (4, 9)
KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic", "lanczos": "lanczos3"}


def check_graph_can(preprocessing: Preprocessing) -> None:
    """ConfigError where the preprocessing has a step that no TensorFlow graph does."""
    if not preprocessing.enhance.is_off:
        received = ", ".join(f"{name} {value:g}" for name, value in preprocessing.enhance if value)
        raise ConfigError(
            f"this model's preprocessing enhances images ({received}), which a TensorFlow graph cannot do:"
            " export another format, or train with all of config.prepare.enhance off"
        )


def preprocess(files: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Pixels (N, H, W, 3), float32 but whole numbers 0..255, of encoded images (N,), string.

    InvalidArgumentError for the whole batch where one file is neither JPEG nor PNG, is cut short or has too
    many pixels.
    """
    shape = tf.TensorSpec((*preprocessing.image_size, 3), tf.float32)
    return tf.map_fn(lambda file: _apply(file, preprocessing), files, fn_output_signature=shape)


def _apply(file: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    is_jpeg = tf.strings.substr(file, 0, len(JPEG_START)) == JPEG_START
    is_png = tf.strings.substr(file, 0, len(PNG_START)) == PNG_START
    is_png &= tf.strings.length(file) >= PNG_HEADER_BYTES
    known = tf.debugging.Assert(is_jpeg | is_png, ["neither a JPEG nor a PNG file: convert the image first"])
    with tf.control_dependencies([known]):
        pixels = tf.cond(
            is_jpeg, lambda: _decode_jpeg(file, preprocessing), lambda: _decode_png(file, preprocessing)
        )
    return _fit(pixels, preprocessing)


def _decode_jpeg(file: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Upright pixels (h, w, 3), float32; decoded smaller as vision/decoding.py does it."""
    size, orientation = tf.io.extract_jpeg_shape(file)[:2], jpeg_orientation(file)
    least = tf.constant(preprocessing.image_size) * DCT_MARGIN
    needed = tf.where(orientation >= 5, least[::-1], least)
    with tf.control_dependencies([_refuse_size(size, preprocessing)]):
        scales = (1, *sorted(DCT_SCALES))
        fitting = [tf.reduce_all(size // scale >= needed) for scale in scales[1:]]
        chosen = tf.add_n([tf.cast(fits, tf.int32) for fits in fitting])
        if not preprocessing.dct_scaling or preprocessing.interpolation == "nearest":
            chosen = tf.constant(0)
        decode = partial(tf.io.decode_jpeg, file, channels=3, dct_method="INTEGER_ACCURATE")
        pixels = tf.switch_case(chosen, [partial(decode, ratio=scale) for scale in scales])
    return tf.cast(_turn_upright(pixels, orientation), tf.float32)


def _decode_png(file: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Pixels (h, w, 3), float32, transparent ones over the background."""
    # The header's width, height and bits of a value.
    size = tf.io.decode_raw(tf.strings.substr(file, 16, 8), tf.int32, little_endian=False)[::-1]
    bits = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 24, 1), tf.uint8)[0], tf.int32)
    with tf.control_dependencies([_refuse_size(size, preprocessing)]):
        layer = tf.cast(tf.io.decode_png(file, channels=4), tf.float32)
    # TensorFlow gives pixels that cannot be transparent the greatest value of the file's bits, not of 8.
    full = tf.cast(tf.bitwise.left_shift(1, tf.minimum(bits, 8)) - 1, tf.float32)
    opacity = tf.where(tf.reduce_all(layer[..., 3:] == full), 1.0, layer[..., 3:] / 255)
    background = tf.constant(preprocessing.background, tf.float32)
    return tf.round(opacity * layer[..., :3] + (1 - opacity) * background)


def _refuse_size(size: tf.Tensor, preprocessing: Preprocessing) -> tf.Operation:
    pixels = tf.reduce_prod(tf.cast(size, tf.int64))
    message = f"the image has more than the {preprocessing.max_pixels} pixels that this model allows:"
    return tf.debugging.Assert(pixels <= preprocessing.max_pixels, [message, pixels])


def jpeg_orientation(file: tf.Tensor) -> tf.Tensor:
    """EXIF orientation 1..8, int32, of a JPEG's bytes; 1 where it has none or its EXIF block is broken."""
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 0, HEAD_BYTES), tf.uint8), tf.int32)
    head = tf.pad(head, [[0, len(EXIF_MARK) + 8]])  # so that what is read below is always there
    places = tf.size(head) - len(EXIF_MARK)
    found = tf.reduce_all([head[i : places + i] == byte for i, byte in enumerate(EXIF_MARK)], axis=0)
    block = head[tf.cast(tf.argmax(found), tf.int32) + len(EXIF_MARK) :]
    orientation = _tiff_orientation(block)
    is_good = tf.reduce_any(found) & (orientation >= 1) & (orientation <= 8)
    return tf.where(is_good, orientation, 1)


def _tiff_orientation(block: tf.Tensor) -> tf.Tensor:
    """Of a TIFF header and what follows, bytes (n,) as int32, n >= 8; 0 where it says none.

    Of numbers of 16 and 32 bits. Pillow takes others too (a fraction, a text of one digit), which no camera
    writes: such an image stays as it lies.
    """
    is_little = block[0] == ord("I")
    weights = tf.where(is_little, [1, 256], [256, 1])

    def number(pair: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(pair * weights, axis=-1)

    # The first directory's place has four bytes, of which two are enough: it is within 64 KiB.
    place = number(tf.where(is_little, block[4:6], block[6:8]))
    start = tf.minimum(place, tf.size(block) - 2)
    count = tf.minimum(number(block[start : start + 2]), (tf.size(block) - start - 2) // ENTRY_BYTES)
    entries = tf.reshape(block[start + 2 : start + 2 + ENTRY_BYTES * count], (-1, ENTRY_BYTES))
    kinds, first, second = number(entries[:, 2:4]), number(entries[:, 8:10]), number(entries[:, 10:12])
    value = tf.where(_is_one_of(kinds, SHORTS), first, 0)
    low, high = tf.where(is_little, first, second), tf.where(is_little, second, first)
    value = tf.where(_is_one_of(kinds, LONGS) & (high == 0), low, value)
    # As Pillow reads: an entry of no known type or without a value is not there; of several the first counts.
    said = number(entries[:, 0:2]) == ORIENTATION_TAG
    said &= _is_one_of(kinds, TYPES) & tf.reduce_any(entries[:, 4:8] != 0, axis=1)
    return tf.concat([tf.boolean_mask(value, said), [0]], axis=0)[0]


def _is_one_of(values: tf.Tensor, allowed: Sequence[int]) -> tf.Tensor:
    return tf.reduce_any(values[:, None] == list(allowed), axis=1)


def _turn_upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """The turns of decoding.UPRIGHT, made of three: rows for columns, left for right, top for bottom."""
    pixels = tf.cond(orientation >= 5, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
    for axis, orientations in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
        applies = tf.reduce_any(orientation == orientations)
        pixels = tf.cond(applies, partial(tf.reverse, pixels, [axis]), lambda pixels=pixels: pixels)
    return pixels


def _fit(pixels: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Pixels (H, W, 3) of any (h, w, 3), as vision.resizing makes them; float32 0..255."""
    target = tf.constant(preprocessing.image_size, tf.float64)
    size = tf.cast(tf.shape(pixels)[:2], tf.float64)
    inner, start = target, tf.zeros(2, tf.float64)
    if preprocessing.resize == "crop":
        inner = size * tf.reduce_max(target / size)
        start = (target - inner) / 2
    elif preprocessing.resize == "pad":
        inner = tf.minimum(tf.round(size / size[::-1] * target[::-1]), target)
        start = tf.round((target - inner) / 2)
    scale = tf.maximum(inner, 1) / size
    for axis in _order(preprocessing):
        pixels = _resize_axis(pixels, axis, preprocessing, scale=scale[axis], start=start[axis])
    if preprocessing.resize == "pad":
        rows, columns = (_within(target[axis], start[axis], inner[axis]) for axis in (0, 1))
        inside = (rows[:, None] & columns)[..., None]
        pixels = tf.where(inside, pixels, tf.constant(preprocessing.background, tf.float32))
    return tf.ensure_shape(pixels, (*preprocessing.image_size, 3))


def _order(preprocessing: Preprocessing) -> tuple[int, int]:
    """Which axis is resized and rounded first: by vision.resizing the height, by Pillow the width."""
    return (0, 1) if preprocessing.interpolation == "bilinear" and preprocessing.resize != "pad" else (1, 0)


def _within(side: tf.Tensor, start: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    places = tf.range(side, dtype=tf.float64)
    return (places >= start) & (places < start + length)


def _resize_axis(
    pixels: tf.Tensor, axis: int, preprocessing: Preprocessing, *, scale: tf.Tensor, start: tf.Tensor
) -> tf.Tensor:
    """The pixels of the model's height (axis 0) or width (1): `scale` times as long, from `start` on."""
    side = preprocessing.image_size[axis]
    if preprocessing.interpolation == "nearest":
        places = tf.floor((tf.range(side, dtype=tf.float64) + 0.5 - start) / scale)
        return tf.gather(
            pixels, tf.clip_by_value(tf.cast(places, tf.int32), 0, tf.shape(pixels)[axis] - 1), axis=axis
        )
    height, width = tf.unstack(tf.shape(pixels)[:2])
    resized = tf.raw_ops.ScaleAndTranslate(
        images=pixels[None],
        size=[side, width] if axis == 0 else [height, side],
        scale=tf.cast([scale, 1] if axis == 0 else [1, scale], tf.float32),
        translation=tf.cast([start, 0] if axis == 0 else [0, start], tf.float32),
        kernel_type=KERNELS[preprocessing.interpolation],
        antialias=True,
    )[0]
    return tf.clip_by_value(tf.floor(resized + 0.5), 0, 255)

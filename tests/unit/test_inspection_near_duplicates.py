"""Which pictures are almost the same, and which only look like it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from vision.inspection.hash_pairs import MOST_NEIGHBOURS, near_pairs
from vision.inspection.near_duplicates import cluster_images
from vision.inspection.properties import measure_images
from vision.inspection.resemblance import show_the_same

Pixels = NDArray[np.uint8]
SIDE = 64


def photo(seed: int) -> Image.Image:
    """A picture of 200 x 200 with large and small structure, another for each seed."""
    random = np.random.default_rng(seed)
    noise = [random.normal(0, 50 / level, (4 * level, 4 * level, 3)) for level in (1, 2, 4, 8)]
    layers = [cv2.resize(layer, (200, 200), interpolation=cv2.INTER_CUBIC) for layer in noise]
    return Image.fromarray(np.clip(128 + sum(layers), 0, 255).astype(np.uint8))


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def encoded(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


def name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def clusters(images: Pixels, names: list[str] | None = None, *, is_coarse: bool = False) -> list[str]:
    return cluster_images(
        images,
        hashes=measure_images(images)["perceptual_hash"].to_numpy(np.uint64),
        sha256=names or [name(number) for number in range(len(images))],
        is_coarse=np.full(len(images), is_coarse),
    )


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "encoded again": encoded,
    "smaller": lambda image: image.resize((140, 140)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.9),
    "cut by 2 %": lambda image: image.crop((4, 0, 200, 196)),
    "cut by 5 %": lambda image: image.crop((5, 5, 195, 195)),
}
OTHERS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda image: image.rotate(20),
    "other colours": lambda image: Image.merge("RGB", image.split()[::-1]),
    "another": lambda image: photo(1),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_shows_the_same(change: str) -> None:
    image = photo(0)
    assert show_the_same(pixels(image), pixels(COPIES[change](image)), is_coarse=False)


@pytest.mark.parametrize("change", OTHERS)
def test_another_picture_does_not_show_the_same(change: str) -> None:
    image = photo(0)
    assert not show_the_same(pixels(image), pixels(OTHERS[change](image)), is_coarse=False)


def test_a_coarse_image_must_agree_without_being_moved() -> None:
    image = photo(0)
    cut = pixels(COPIES["cut by 5 %"](image))
    assert not show_the_same(pixels(image), cut, is_coarse=True)
    assert show_the_same(pixels(image), pixels(COPIES["brighter"](image)), is_coarse=True)


def test_blank_images_agree_when_their_colours_do() -> None:
    gray, nearly, red = (np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in (100, 101, (200, 0, 0)))
    assert show_the_same(gray, nearly, is_coarse=False)
    assert not show_the_same(gray, red, is_coarse=False)


def test_all_hashes_within_seven_bits_are_found() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, 300, dtype=np.uint64)
    bits = [random.permutation(64)[:count].tolist() for count in range(1, 8)]
    masks = [np.uint64(sum(1 << bit for bit in chosen)) for chosen in bits]
    values = np.unique(np.concatenate([hashes, *(hashes[:50] ^ mask for mask in masks)]))
    distances = np.bitwise_count(values[:, None] ^ values)
    near = {(first, second) for first, second in np.argwhere(distances <= 7).tolist() if first < second}
    assert len(near) >= 350  # the flipped ones at least; none has more than MOST_NEIGHBOURS
    assert near <= {(first, second) for first, second in near_pairs(values).tolist()}


def test_a_hash_with_many_neighbours_keeps_the_nearest() -> None:
    # All 16-bit patterns in the lowest band: each has 16 at distance 1 and 120 at distance 2.
    values = np.arange(2**10, dtype=np.uint64)
    pairs = near_pairs(values)
    assert len(pairs) < len(values) * MOST_NEIGHBOURS * 2
    assert (values[pairs[:, 0]] ^ values[pairs[:, 1]]).tolist()[0].bit_count() == 1


def test_copies_of_each_picture_are_one_cluster() -> None:
    images = [photo(seed) for seed in range(5)]
    changed = [encoded(images[0]), COPIES["smaller"](images[0]), COPIES["brighter"](images[3])]
    found = clusters(np.stack([pixels(image) for image in [*images, *changed]]))
    assert found[0] == found[5] == found[6] != ""
    assert found[3] == found[7] != found[0]
    assert [found[place] for place in (1, 2, 4)] == ["", "", ""]


def test_a_cluster_is_named_after_its_smallest_member() -> None:
    images = np.stack([pixels(photo(0)), pixels(encoded(photo(0))), pixels(photo(1))])
    assert clusters(images, ["f" * 64, "a" * 64, "0" * 64]) == ["a" * 12, "a" * 12, ""]


def test_equal_bytes_are_a_cluster() -> None:
    images = np.stack([pixels(photo(0)), pixels(photo(1)), pixels(photo(0))])
    assert clusters(images, [name(0), name(1), name(0)]) == [name(0)[:12], "", name(0)[:12]]


def test_the_order_of_the_images_does_not_matter() -> None:
    copies = [change(photo(seed)) for seed in range(3) for change in COPIES.values()]
    images = np.stack([pixels(image) for image in copies])
    names = [name(number) for number in range(len(images))]
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = clusters(images[order], [names[place] for place in order])
    assert shuffled == [clusters(images, names)[place] for place in order]


def test_a_chain_does_not_become_one_cluster() -> None:
    # A window moves over one wide picture: each view is like the next one and unlike those far away.
    wide = np.concatenate([np.asarray(photo(seed)) for seed in (0, 1)], axis=1)
    views = [Image.fromarray(wide[:, start : start + 200]) for start in range(0, 200, 8)]
    images = np.stack([pixels(view) for view in views])
    found = clusters(images)
    assert found[0] != found[-1]
    assert max(found.count(cluster) for cluster in set(found) - {""}) <= 8


def test_thousands_of_blank_images_are_soon_one_cluster() -> None:
    images = np.full((3000, 8, 8, 3), 200, np.uint8)
    hashes = np.zeros(len(images), np.uint64)
    names = [name(number) for number in range(len(images))]
    found = cluster_images(images, hashes=hashes, sha256=names, is_coarse=np.ones(len(images), bool))
    assert set(found) == {min(names)[:12]}


def test_equal_hashes_of_different_pictures_are_parted() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    images = np.broadcast_to(colours.repeat(2, axis=0)[:, None, None], (6, SIDE, SIDE, 3))
    names = [name(number) for number in range(6)]
    found = cluster_images(images, hashes=np.zeros(6, np.uint64), sha256=names, is_coarse=np.zeros(6, bool))
    assert found[0] == found[1] and found[2] == found[3] and found[4] == found[5]
    assert len(set(found) - {""}) == 3

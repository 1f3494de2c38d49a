"""Golden vectors: images, hostile and ordinary, with the pixels and probabilities that they must give.

They travel in the bundle as golden/ and are checked when it is registered and when a service opens it,
so a decoder or runtime that answers differently is refused before it answers anybody.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision.classifier import ImageClassifier
from vision.errors import BundleError

if TYPE_CHECKING:  # pandas is half a second that the service need not wait for
    from vision.manifest import Manifest

FOLDER = "golden"
SAMPLES = 8
EXPECTED = "expected.npz"
# libjpeg builds round the inverse DCT differently: one or two steps of 255 after resizing.
PIXEL_TOLERANCE = 2
# Float kernels agree to 5e-5; an int8 model may move by a quantum where the instruction set differs.
PROBABILITY_TOLERANCE = 0.02


def hostile_images(seed: int = 0) -> dict[str, bytes]:
    """Encoded images of every mode that decoders get wrong, drawn from a seed."""
    random = np.random.default_rng(seed)
    noise = Image.fromarray(random.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    ramp = np.linspace(0, 65535, 40 * 40).astype(np.uint16).reshape(40, 40)
    alpha = noise.convert("RGBA")
    alpha.putalpha(Image.fromarray(np.linspace(0, 255, 64 * 48).astype(np.uint8).reshape(48, 64)))
    upright = Image.new("RGB", (60, 40), (200, 40, 40))
    upright.paste((30, 60, 220), (0, 0, 30, 20))
    images = {
        "noise.png": _encode(noise, "PNG"),
        "gray.png": _encode(noise.convert("L"), "PNG"),
        "gray16.png": _encode(Image.fromarray(ramp), "PNG"),
        "alpha.png": _encode(alpha, "PNG"),
        "palette.png": _encode(noise.quantize(16), "PNG"),
        "cmyk.jpg": _encode(upright.convert("CMYK"), "JPEG"),
        "one_pixel.png": _encode(Image.new("RGB", (1, 1), (10, 200, 30)), "PNG"),
        "extreme_aspect.png": _encode(noise.resize((400, 3)), "PNG"),
    }
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        images[f"exif_{orientation}.jpg"] = _encode(upright, "JPEG", exif=exif)
    return images


def choose_samples(manifest: Manifest) -> dict[str, bytes]:
    """A few images of the manifest, evenly spread, under names with their own suffix."""
    paths = manifest.table["path"].to_list()
    spread = np.unique(np.linspace(0, len(paths) - 1, SAMPLES).astype(int)).tolist() if paths else []
    return {
        f"sample_{number}{Path(paths[row]).suffix.lower()}": manifest.read(paths[row])
        for number, row in enumerate(spread)
    }


def write_golden(classifier: ImageClassifier, samples: dict[str, bytes], folder: Path) -> None:
    """Writes golden/ into the bundle's folder: the hostile images, the samples, and the answers."""
    images = hostile_images() | samples
    target = folder / FOLDER
    target.mkdir()
    for name, data in images.items():
        (target / name).write_bytes(data)
    pixels = np.stack([classifier.preprocessing.apply(data) for data in images.values()])
    np.savez_compressed(
        target / EXPECTED,
        names=np.array(list(images)),
        pixels=pixels,
        probabilities=classifier.predict(pixels),
    )


def check_golden(classifier: ImageClassifier, folder: Path) -> None:
    """Returns where the classifier reproduces the golden vectors of the bundle, else BundleError."""
    source = folder / FOLDER
    with np.load(source / EXPECTED, allow_pickle=False) as expected:
        names, pixels, probabilities = (expected[key] for key in ("names", "pixels", "probabilities"))
    received = np.stack([classifier.preprocessing.apply((source / name).read_bytes()) for name in names])
    _compare("pixels", received.astype(np.int16), pixels.astype(np.int16), names, PIXEL_TOLERANCE, folder)
    answers = classifier.predict(pixels)
    _compare("probabilities", answers, probabilities, names, PROBABILITY_TOLERANCE, folder)


def golden_pixels(folder: Path) -> NDArray[np.uint8]:
    """Pixels (N, H, W, 3) of a bundle's golden images."""
    with np.load(folder / FOLDER / EXPECTED, allow_pickle=False) as expected:
        pixels: NDArray[np.uint8] = expected["pixels"]
    return pixels


def _compare(
    what: str,
    received: np.ndarray,
    expected: np.ndarray,
    names: np.ndarray,
    tolerance: float,
    folder: Path,
) -> None:
    if received.shape != expected.shape:
        raise BundleError(f"bundle {folder}: {what} have shape {received.shape}, expected {expected.shape}")
    worst = np.abs(received - expected).reshape(len(names), -1).max(axis=1)
    if not (worst <= tolerance).all():  # NaN is a failure too
        index = int(np.nanargmax(np.where(np.isnan(worst), np.inf, worst)))
        raise BundleError(
            f"bundle {folder}: {what} of golden image {names[index]} differ by {worst[index]:.4g}, at most"
            f" {tolerance} is allowed; this machine's decoder or runtime does not reproduce the model"
        )


def _encode(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()

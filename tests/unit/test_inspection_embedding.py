"""What images are compared by: the descriptor, and a network with weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vision.errors import ConfigError
from vision.inspection.embedding import embed_images
from vision.quality_config import QualityConfig

ALPHA = 0.35


def pictures(count: int, side: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def network_config(weights: Path | str | None, alpha: float = ALPHA) -> QualityConfig:
    return QualityConfig(embedding="mobilenet_v2", weights=weights and str(weights), alpha=alpha)


@pytest.fixture(scope="module")
def network() -> Any:
    import keras

    return keras.applications.MobileNetV2(
        (96, 96, 3), alpha=ALPHA, include_top=False, weights=None, pooling="avg"
    )


@pytest.fixture(scope="module")
def weights(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    network.save_weights(path)
    return path


@pytest.mark.parametrize("side", [8, 16, 64, 100])
def test_the_descriptor_has_one_length_and_range_for_all_sizes(side: int) -> None:
    embedding = embed_images(pictures(70, side), config=QualityConfig())
    assert embedding.shape == (70, 4 * 128 + 4**3 + 4 * 4 * 3)
    assert embedding.dtype == np.float32
    assert embedding.min() >= 0 and embedding.max() <= 1


def test_a_row_of_the_descriptor_depends_on_its_image_only() -> None:
    images = pictures(130)
    whole = embed_images(images, config=QualityConfig())
    assert (embed_images(images[100:101], config=QualityConfig()) == whole[100:101]).all()


def test_a_plain_image_has_no_gradients_and_one_colour() -> None:
    row = embed_images(np.full((1, 16, 16, 3), 255, np.uint8), config=QualityConfig())[0]
    assert (row[:512] == 0).all()
    assert np.flatnonzero(row[512:576]).tolist() == [63]  # white: the last bin of all three channels
    assert (row[512 + 63], *row[576:]) == (1,) * 49


def test_the_network_sees_enlarged_pixels_between_minus_one_and_one(network: Any, weights: Path) -> None:
    images = pictures(3)
    large = np.stack([cv2.resize(image, (96, 96)) for image in images])
    expected = network.predict_on_batch(large.astype(np.float32) / 127.5 - 1)
    found = embed_images(images, config=network_config(weights))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_network_without_weights_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"config\.quality\.weights is not set: allowed are .*imagenet"):
        embed_images(pictures(1), config=network_config(None))


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.weights\.h5.*cannot be loaded.*config\.quality\.weights"):
        embed_images(pictures(1), config=network_config(tmp_path / "none.weights.h5"))


def test_weights_of_another_width_are_refused(weights: Path) -> None:
    with pytest.raises(ConfigError, match=r"alpha 0\.5 .*config\.quality\.alpha"):
        embed_images(pictures(1), config=network_config(weights, alpha=0.5))

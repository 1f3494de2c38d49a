"""Inspection of real images: 4,317 flowers of 128 x 128 beside the repository, and scikit-learn's digits."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from vision.inspection import inspect_images
from vision.inspection.embedding import embed_images
from vision.inspection.label_issues import judge_labels
from vision.manifest import COLUMNS, Manifest
from vision.quality_config import QualityConfig, QualityPolicies

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WEIGHTS = DATA / "weights" / "mobilenetv2_0.35_224_imagenet_notop.weights.h5"
WITHOUT_LABELS = QualityConfig(policies=QualityPolicies(label_issues="ignore"))

pytestmark = pytest.mark.slow


def row(path: str, label: str, data: bytes) -> dict[str, object]:
    described = {"split": "", "group": "", "format": "JPEG", "mode": "RGB", "width": 128, "height": 128}
    known = {"path": path, "label": label, "sha256": hashlib.sha256(data).hexdigest(), "reason": ""}
    return known | described | {"size_bytes": len(data), "is_readable": True}


def decode(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((128, 128)))


def altered(data: bytes, kind: int) -> bytes:
    """The photo with JPEG quality 30, at 70 % of its size, or with 2 % cut off."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    image = (image, image.resize((90, 90)), image.crop((2, 0, 127, 126)))[kind]
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30 if kind == 0 else 90)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def flowers() -> list[tuple[str, str, bytes]]:
    if not (DATA / "flowers").is_dir():
        pytest.skip("needs ../shared/data/flowers")
    paths = sorted((DATA / "flowers").glob("*/*.jpg"))
    return [(f"{path.parent.name}/{path.name}", path.parent.name, path.read_bytes()) for path in paths]


def test_seeded_copies_are_found_and_little_else(flowers: list[tuple[str, str, bytes]]) -> None:
    chosen = np.random.default_rng(0).permutation(len(flowers))[:300]
    copies = [
        (f"copy/{number}", flowers[number][1], altered(flowers[number][2], place % 3))
        for place, number in enumerate(chosen.tolist())
    ]
    files = [*flowers, *copies]
    table = pd.DataFrame([row(*file) for file in files], columns=list(COLUMNS))
    images = np.stack([decode(data) for _, _, data in files])
    clusters = inspect_images(Manifest("", table), images, config=WITHOUT_LABELS, seed=1).manifest.table[
        "cluster"
    ]
    originals, seeded = clusters[chosen].to_numpy(), clusters[len(flowers) :].to_numpy()
    assert ((originals == seeded) & (seeded != "")).mean() >= 0.98
    # 34 flowers have a natural copy; each was looked at.
    natural = clusters[: len(flowers)].drop(chosen)
    assert (natural != "").sum() <= 40


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="needs ../shared/data/weights")
def test_a_network_finds_most_planted_label_errors(flowers: list[tuple[str, str, bytes]]) -> None:
    random = np.random.default_rng(0)
    names = sorted({label for _, label, _ in flowers})
    table = pd.DataFrame([row(*file) for file in flowers]).assign(cluster="")
    wrong = random.random(len(flowers)) < 0.05
    table.loc[wrong, "label"] = [
        random.choice([n for n in names if n != given]) for given in table["label"][wrong]
    ]
    config = QualityConfig(embedding="mobilenet_v2", weights=str(WEIGHTS), alpha=0.35)
    embedding = embed_images(np.stack([decode(data) for _, _, data in flowers]), config=config)
    judgement = judge_labels(Manifest("", table), embedding, folds=5, seed=1)
    flagged = judgement.table["has_label_issue"].to_numpy()
    assert (flagged & wrong).sum() / wrong.sum() >= 0.7
    assert (flagged & wrong).sum() / flagged.sum() >= 0.2  # of 0.05 by chance


def test_digits_of_eight_by_eight_are_told_apart_and_their_label_errors_found() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    random = np.random.default_rng(0)
    small = np.rint(digits.images * 255 / 16).astype(np.uint8)
    images = np.stack([np.asarray(Image.fromarray(image).convert("RGB").resize((16, 16))) for image in small])
    wrong = random.random(len(small)) < 0.05
    labels = np.where(wrong, (digits.target + random.integers(1, 10, len(small))) % 10, digits.target)
    rows = [
        row(f"{n:04d}", str(k), image.tobytes())
        for n, (k, image) in enumerate(zip(labels, small, strict=True))
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).assign(width=8, height=8)
    found = inspect_images(Manifest("", table), images, config=QualityConfig(), seed=1).manifest.table
    flagged = found["has_label_issue"].to_numpy()
    assert (found["cluster"] != "").mean() < 0.01
    assert (flagged & wrong).sum() >= 0.7 * wrong.sum()
    assert (flagged & wrong).sum() >= 0.95 * flagged.sum()

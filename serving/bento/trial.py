"""The second blessing: a Bento is started as it would serve, and asked what its model must answer."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
from numpy.typing import NDArray

from registry.bundles import load_bundle
from serving.bento.build import bento_name
from serving.bento.sandbox import NotReady, started
from serving.client import Prediction, ServiceError, Sightline
from vision.golden import EXPECTED, FOLDER, PROBABILITY_TOLERANCE
from vision.promotion.blessing import Blessing

if TYPE_CHECKING:
    from vision.manifest import Manifest

# A line a question would hide what a pipeline has to say.
logging.getLogger("httpx").setLevel(logging.WARNING)

REAL_IMAGES = 32
WARMING = 3  # answers that are not timed
ANSWER_SECONDS = 10.0
SHOWN = 5  # reasons


@dataclass(frozen=True)
class Question:
    """An encoded image, and the probability (0..1) of every class that must come back."""

    name: str
    image: bytes
    expected: Mapping[str, float]


def try_bento(
    tag: str, *, bundle: Path, images: Mapping[str, bytes], bento_home: Path, seconds: float = 60
) -> Blessing:
    """Given where the Bento is ready within `seconds` and answers as the bundle does, as its tag's version.

    It is asked the bundle's golden images and `images`, encoded, under the names that reasons will use.
    BundleError where the bundle itself is altered, ImageError where one of `images` is none.
    """
    questions = make_questions(bundle, images)
    # Nothing is remembered, so that each answer is computed, and no image is refused for its bytes.
    most_bytes = max(len(question.image) for question in questions)
    variables = {"SIGHTLINE_CACHE_MEGABYTES": "0", "SIGHTLINE_MAX_BODY_BYTES": str(most_bytes)}
    with started(tag, bento_home=bento_home, variables=variables) as bento:
        try:
            ready_seconds = bento.wait_ready(seconds)
        except NotReady as error:
            return Blessing(given=False, reasons=(f"{tag} {error}",))
        found = ask(bento.url, questions, tag=tag)
        return found.model_copy(update={"ready_seconds": ready_seconds, "megabytes": bento.megabytes})


def choose_images(manifest: Manifest, *, seed: int) -> dict[str, bytes]:
    """REAL_IMAGES of the manifest, or all where it has fewer, by path; another seed chooses others."""
    paths = manifest.table["path"]
    chosen = paths.sample(min(REAL_IMAGES, len(paths)), random_state=seed)
    return {path: manifest.read(path) for path in chosen}


def make_questions(bundle: Path, images: Mapping[str, bytes]) -> list[Question]:
    """The golden images with the answers of their bundle, and the others with those of its classifier."""
    classifier, folder = load_bundle(bundle), bundle / FOLDER

    def question(name: str, image: bytes, probabilities: NDArray[np.float32]) -> Question:
        return Question(name, image, dict(zip(classifier.class_names, probabilities.tolist(), strict=True)))

    with np.load(folder / EXPECTED, allow_pickle=False) as golden:
        pairs = zip(golden["names"].tolist(), golden["probabilities"], strict=True)
        known = [question(f"golden {name}", (folder / name).read_bytes(), row) for name, row in pairs]
    return known + [question(name, image, classifier.classify(image)) for name, image in images.items()]


def ask(
    url: str, questions: Sequence[Question], *, tag: str, transport: httpx.BaseTransport | None = None
) -> Blessing:
    """The blessing of what answers there: warmed, then asked each question once, until it hangs."""
    faults: list[str] = []
    milliseconds: list[float] = []
    # A transport of our own takes no proxy from the environment; without patience nothing is tried again.
    transport = transport or httpx.HTTPTransport()
    with Sightline(url, timeout=ANSWER_SECONDS, patience=0, transport=transport) as service:
        for question in questions[:WARMING]:
            with suppress(ServiceError):
                service.classify(question.image)
        for question in questions:
            begin = time.perf_counter()
            outcome = _classify(service, question)
            milliseconds.append(1000 * (time.perf_counter() - begin))
            faults += _faults(outcome, question, tag)
            if isinstance(outcome, ServiceError) and outcome.status is None:
                break  # the others would only wait as long
    return Blessing(
        given=not faults,
        reasons=_shown(faults),
        asked=len(milliseconds),
        p50_ms=statistics.median(milliseconds),
    )


def _classify(service: Sightline, question: Question) -> Prediction | ServiceError:
    try:
        return service.classify(question.image, top_k=len(question.expected))
    except ServiceError as error:
        return error


def _faults(outcome: Prediction | ServiceError, question: Question, tag: str) -> list[str]:
    """What is wrong with it, in a sentence, if anything is."""
    if isinstance(outcome, ServiceError):
        return [f"{question.name} was not answered: {outcome}"]
    served = f"{bento_name(outcome.model)}:{outcome.version}"
    if served != tag:
        return [f"{question.name} was answered by {served}, not by {tag}"]
    said = {entry.name: entry.probability for entry in outcome.classes}
    # A class that is left out, or null, becomes NaN.
    received = np.array([said.get(name) for name in question.expected], dtype=float)
    differences = np.abs(received - np.array(list(question.expected.values())))
    if (differences <= PROBABILITY_TOLERANCE).all():
        return []
    worst = f"differ by {differences.max():.4g} from those of the registered bundle"
    return [f"{question.name}: probabilities {worst}, at most {PROBABILITY_TOLERANCE} is allowed"]


def _shown(faults: Sequence[str]) -> tuple[str, ...]:
    more = len(faults) - SHOWN
    return (*faults[:SHOWN], *([f"and {more} more"] if more > 0 else []))

"""What the routes work with: the versions that answer, the threads, and who else sees an answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from hashlib import sha256
from time import perf_counter
from typing import Protocol

from registry.predictions import new_prediction_id
from serving.afterwards import Afterwards
from serving.answers import named_classes
from serving.classified import Classified
from serving.observers.metrics import Metrics
from serving.settings import Settings
from serving.versions.champion import Served
from serving.versions.fleet import Fleet
from serving.workers import Workers
from vision.runtimes import Logits


class Cache(Protocol):
    """Logits (1, K), float32, of images that were seen already, by key. Safe to call from several threads."""

    def logits(self, key: str, compute: Callable[[], Logits]) -> tuple[Logits, bool]:
        """The logits, and whether they were known; of several that ask for one key at a time one computes."""

    def keep(self, digests: Collection[str]) -> None:
        """Forgets the answers of every bundle but these."""


class Observer(Protocol):
    """Is told of every answer, in the thread that gave it; it is to be quick, and may not fail."""

    def classified(self, answer: Classified, data: bytes) -> None:
        """`data` is the encoded image."""


@dataclass(frozen=True)
class Engine:
    """service.py puts it into `app.state.engine`."""

    settings: Settings
    fleet: Fleet
    metrics: Metrics
    workers: Workers
    cache: Cache | None = None
    observers: tuple[Observer, ...] = ()
    afterwards: Afterwards = field(default_factory=Afterwards)
    on_failure: Callable[[Served], None] = lambda served: None  # a version that could not infer

    def classify(self, served: Served, data: bytes, *, use_cache: bool = True) -> Classified:
        """The answer for one encoded image, as that version gives it; ImageError where it is no image.

        Blocks for milliseconds: for a thread of `workers`.
        """
        seconds = {"decode": 0.0, "infer": 0.0}
        digest = sha256(data).hexdigest()

        def compute() -> Logits:
            begin = perf_counter()
            pixels = served.classifier.preprocessing.apply(data)
            decoded = perf_counter()
            try:
                logits = served.classifier.logits(pixels[None])
            except Exception:  # it was decoded: the image is not at fault
                self.on_failure(served)
                raise
            seconds.update(decode=decoded - begin, infer=perf_counter() - decoded)
            return logits

        if self.cache and use_cache:
            logits, known = self.cache.logits(f"{served.pointer.digest}-{digest}", compute)
            self.metrics.asked_cache(known=known)
        else:
            logits, known = compute(), False
        judgement = served.classifier.judge(logits)
        names = named_classes(served.classifier, judgement.probabilities[0])
        answer = Classified(new_prediction_id(), served, digest, judgement, names, seconds, known)
        for observer in self.observers:
            observer.classified(answer, data)
        return answer

"""What becomes of a user's word on an answer: it is compared with it, kept, and told to who wants it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from cachetools import FIFOCache

from registry.pointer import ChampionPointer
from registry.prediction_rows import Answered, Feedback
from registry.predictions import find_prediction
from serving.answers import RequestError
from serving.classified import Classified
from serving.observers.prediction_log import PredictionLog, answered, milliseconds_now
from serving.versions.champion import Arm

# More than the log's thread can have in hand (its queue and the rows of a file): older ones are in files.
RECENT = 16_384
# Class names in an error message.
NAMED = 20


class FeedbackObserver(Protocol):
    """Is told of an answer's first feedback in this process; it is to be quick, and may not fail."""

    def judged(self, pointer: ChampionPointer, arm: Arm, right: bool) -> None:
        """`right`: the user agrees with the answer of that version."""


class FeedbackDesk:
    """An engine.Observer, which remembers the latest answers: they are in no file yet."""

    def __init__(self, log: PredictionLog, observers: Sequence[FeedbackObserver] = ()) -> None:
        self._log, self._observers = log, observers
        self._lock = threading.Lock()
        self._recent: FIFOCache[str, Answered] = FIFOCache(RECENT)
        self._judged: FIFOCache[str, None] = FIFOCache(RECENT)

    def classified(self, answer: Classified, data: bytes) -> None:
        if answer.served.arm != "shadow":  # nobody was told that one
            with self._lock:
                self._recent[answer.id] = answered(answer.served, answer.names)

    def recent(self, prediction_id: str) -> Answered | None:
        with self._lock:
            return self._recent.get(prediction_id)

    def find(self, prediction_id: str) -> Answered:
        """What files say was answered under that id; RequestError (404) where none does."""
        found = find_prediction(self._log.workspace, prediction_id)
        if found is None:
            message = (
                f"no prediction {prediction_id} is in the log: give the id of an answer, within its days"
            )
            raise RequestError(404, "unknown_prediction", message)
        return found

    def judge(
        self, prediction_id: str, was: Answered, *, truth: Sequence[str], comment: str, key: str = ""
    ) -> bool:
        """Whether the answer was right; RequestError: 400 for no class of the model, 429 if it is lost.

        `key` is the name of the API key that says so, "" where none is asked for.
        """
        check_labels(was, truth)
        row = Feedback(prediction_id, milliseconds_now(), was, tuple(truth), comment, key)
        if not self._log.add_feedback(row):
            message = "more answers are given than can be logged: try again in 1 s"
            raise RequestError(429, "overloaded", message, headers={"retry-after": "1"})
        right = was.is_right(truth)
        if self._is_first(prediction_id):
            for observer in self._observers:
                observer.judged(was.pointer, was.arm, right)
        return right

    def _is_first(self, prediction_id: str) -> bool:
        """One answer is one observation to a statistical test, however often it is judged."""
        with self._lock:
            first = prediction_id not in self._judged
            self._judged[prediction_id] = None
        return first


def check_labels(was: Answered, truth: Sequence[str]) -> None:
    """RequestError (400) where a label is no class of the model."""
    unknown = [label for label in truth if label not in was.class_names]
    if unknown:
        names = ", ".join(was.class_names[:NAMED]) + (", ..." if len(was.class_names) > NAMED else "")
        message = f'"{unknown[0][:100]}" is no class of {was.pointer.model}: choose of {names}'
        raise RequestError(400, "unknown_class", message)

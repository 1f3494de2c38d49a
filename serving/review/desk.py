"""What the review page is given and what it may say: answers that wait, their images, verdicts."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from PIL import Image

from registry.review_queue import Waiting, read_queue
from registry.reviews import Review, Verdict, read_reviews, record_review
from registry.workspace import Workspace
from serving.answers import RequestError
from vision.decoding import decode_image

# As many as there are digits to choose them by.
CHOICES = 9
# In one answer; when the page is through with them it asks again.
AT_ONCE = 500
LONGEST_SIDE = 1600
# Photos are shown as JPEG; an icon of 8 pixels would be blurred by it.
SMALL_SIDE = 256


class ReviewDesk:
    """Of one model and one reviewer, `who`. Safe to call from several threads."""

    def __init__(self, workspace: Workspace, model: str, *, who: str) -> None:
        self._workspace, self._model, self._who = workspace, model, who
        self._known: dict[str, Waiting] = {}

    def queue(self) -> dict[str, Any]:
        """What waits, as JSON: `items`, the most urgent first; how many are `waiting` and `done` in all."""
        waiting = read_queue(self._workspace, self._model)
        shown = waiting[:AT_ONCE]
        self._known |= {found.id: found for found in shown}
        reviews = read_reviews(self._workspace, self._model).values()
        wrong = Counter(found.key for found in waiting if _is_corrected(found))
        return {
            "model": self._model,
            "waiting": len(waiting),
            "done": sum(review.verdict != "withdrawn" for review in reviews),
            "class_names": {str(found.version): found.class_names for found in shown},
            "items": [_item(found, wrong) for found in shown],
        }

    def image(self, prediction_id: str) -> tuple[bytes, str]:
        """The picture as the model saw it, upright, decoded by us and encoded anew, and its media type.

        What strangers sent never reaches the browser. RequestError (404) where it is gone.
        """
        found = self._find(prediction_id)
        try:
            data = found.image.read_bytes()
        except FileNotFoundError:
            raise RequestError(404, "image_gone", "the image is no longer kept: skip it") from None
        picture = Image.fromarray(decode_image(data).pixels)
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        kind = "PNG" if max(picture.size) <= SMALL_SIDE else "JPEG"
        buffer = io.BytesIO()
        picture.save(buffer, kind, quality=92)
        return buffer.getvalue(), f"image/{kind.lower()}"

    def judge(self, prediction_id: str, verdict: Verdict, labels: Sequence[str]) -> None:
        """Records the verdict; RequestError (400) for labels that the answer's model cannot give."""
        found = self._find(prediction_id)
        chosen = tuple(sorted(set(labels)))
        if verdict == "accepted":
            _check(found, chosen)
        elif chosen:
            raise RequestError(400, "bad_labels", f"an image that is {verdict} has no labels: give none")
        is_feedbacks = verdict == "accepted" and found.is_said_to_be(chosen)
        review = Review(
            sha256=found.sha256,
            prediction=found.id,
            verdict=verdict,
            labels=chosen,
            source="feedback" if is_feedbacks else "review",
            key=found.key if is_feedbacks else "",
            who=self._who,
            when=datetime.now(UTC),
        )
        record_review(self._workspace, self._model, review, found.image)

    def _find(self, prediction_id: str) -> Waiting:
        found = self._known.get(prediction_id)
        if found is None:
            raise RequestError(404, "unknown_prediction", "no answer of that id waits: load the page again")
        return found


def _check(found: Waiting, labels: Sequence[str]) -> None:
    unknown = [label for label in labels if label not in found.class_names]
    if unknown:
        message = f'"{unknown[0][:100]}" is no class of version {found.version}: choose one of the list'
        raise RequestError(400, "unknown_class", message)
    if found.task == "multi_class" and len(labels) != 1:
        message = f"an image has one class, {len(labels)} were given: choose one, or mark it as not usable"
        raise RequestError(400, "bad_labels", message)


def _is_corrected(found: Waiting) -> bool:
    return found.feedback is not None and not found.is_said_to_be(found.predicted)


def _item(found: Waiting, wrong: Mapping[str, int]) -> dict[str, Any]:
    """`feedback` says how many of the corrections that wait came with the same key."""
    feedback = None
    if found.feedback is not None:
        feedback = {
            "labels": found.feedback,
            "comment": found.comment,
            "key": found.key,
            "of_key": wrong.get(found.key, 0),
            "of_all": sum(wrong.values()),
        }
    choices = [{"name": name, "probability": round(p, 4)} for name, p in found.likeliest(CHOICES)]
    return {
        "id": found.id,
        "when": found.when.isoformat(),
        "version": found.version,
        "task": found.task,
        "predicted": found.predicted,
        "reason": found.reason,
        "choices": choices,
        "feedback": feedback,
    }

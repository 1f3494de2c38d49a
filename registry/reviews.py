"""What people say that kept images show: rows that are only ever added, and copies of the images.

reviews/MODEL/reviews.jsonl    a line a review; of those of one image the last counts
reviews/MODEL/images/SHA256    the image as it was sent; the service deletes those that it keeps
"""

from __future__ import annotations

import errno
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from registry.prediction_files import whole_file
from registry.workspace import Workspace
from vision.errors import DataError, RegistryError
from vision.file_lock import exclusive

logger = logging.getLogger(__name__)

Verdict = Literal["accepted", "unusable", "withdrawn"]


class Review(BaseModel):
    """A person's word on one image; `withdrawn` makes it one that nobody has reviewed.

    `source` is "feedback" where the labels are those that a user of the service gave, with the name of the
    API key `key`, "" without keys; "review" where they are the reviewer's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the encoded image")
    prediction: str = Field(pattern="^[0-9a-f]{32}$", description="id of the answer that was reviewed")
    verdict: Verdict
    labels: tuple[str, ...] = ()
    source: Literal["review", "feedback"] = "review"
    key: str = ""
    who: str
    when: AwareDatetime


def reviews_folder(workspace: Workspace, model: str) -> Path:
    return workspace.root / "reviews" / model


def image_path(workspace: Workspace, model: str, digest: str) -> Path:
    """Where the image with that sha256 lies once it was accepted."""
    return reviews_folder(workspace, model) / "images" / digest


def record_review(workspace: Workspace, model: str, review: Review, image: Path) -> None:
    """Adds the review of the encoded image in that file; where labels are accepted the image is copied first.

    DataError where the file is gone or holds another image; nothing is added then.
    """
    if review.verdict == "accepted":
        _keep_image(image, image_path(workspace, model, review.sha256), review)
    folder = reviews_folder(workspace, model)
    with exclusive(folder / ".reviews.lock"), _rows(folder).open("a+b", buffering=0) as rows:
        _append(rows, review.model_dump_json().encode() + b"\n")


def read_reviews(workspace: Workspace, model: str) -> dict[str, Review]:
    """The last review of each image by its sha256, in the order of these; RegistryError for a damaged row."""
    path = _rows(reviews_folder(workspace, model))
    latest: dict[str, Review] = {}
    # What stands behind the last line break was never whole.
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            review = Review.model_validate_json(line)
        except ValidationError as error:
            reason = error.errors(include_url=False, include_input=False)[0]["msg"]
            message = f"{path}, line {number} is no review ({reason}): mend or delete the line"
            raise RegistryError(message) from None
        latest.pop(review.sha256, None)
        latest[review.sha256] = review
    return latest


def accepted(workspace: Workspace, model: str) -> tuple[Review, ...]:
    """The reviews whose labels count, the oldest first."""
    reviews = read_reviews(workspace, model).values()
    return tuple(review for review in reviews if review.verdict == "accepted")


def count_since(workspace: Workspace, model: str, moment: datetime) -> int:
    """Images whose labels were accepted after that moment, which has a time zone."""
    return sum(review.when > moment for review in accepted(workspace, model))


def within_key_share(reviews: Sequence[Review], max_share: float) -> tuple[Review, ...]:
    """The reviews without those that make one API key's feedback more than `max_share` of what is left.

    Of a key's the oldest stay. People of ours looked at every one of them, but who looks at a flood of the
    same wrong label begins to believe it; a reviewer's own labels are of no key.
    """
    of_keys = Counter(review.key for review in reviews if review.source == "feedback")
    most = _most_of_a_key(of_keys, own=len(reviews) - of_keys.total(), max_share=max_share)
    if left_out := {key: count - most for key, count in of_keys.items() if count > most}:
        logger.warning(
            "%d of %d accepted labels are left out, so that no key's feedback is more than %g %% of them: %s;"
            " set config.review.max_key_share", sum(left_out.values()), len(reviews), 100 * max_share,
            ", ".join(f'{count} of key "{key}"' for key, count in left_out.items()),
        )  # fmt: skip
    seen: Counter[str] = Counter()
    kept = []
    for review in reviews:
        seen[review.key] += review.source == "feedback"
        if review.source == "review" or seen[review.key] <= most:
            kept.append(review)
    return tuple(kept)


def _most_of_a_key(counts: Mapping[str, int], *, own: int, max_share: float) -> int:
    """The largest number that, as a bound for every key, is at most that share of all that is then left."""
    most = max(counts.values(), default=0)
    while most > (allowed := max_share * (own + sum(min(count, most) for count in counts.values()))):
        most = int(allowed)
    return most


def _rows(folder: Path) -> Path:
    return folder / "reviews.jsonl"


def _keep_image(image: Path, copy: Path, review: Review) -> None:
    if copy.exists():
        return
    try:
        data = image.read_bytes()
    except FileNotFoundError:
        message = f"the image of prediction {review.prediction} is no longer kept: go on to the next one"
        raise DataError(message) from None
    if sha256(data).hexdigest() != review.sha256:
        message = f"{image} holds another image than prediction {review.prediction} was of: delete it"
        raise DataError(message)
    with whole_file(copy) as temporary:
        temporary.write_bytes(data)


def _append(rows: FileIO, line: bytes) -> None:
    """Writes the line whole or not at all; half a line, as kill -9 may leave it, gives way."""
    end = rows.seek(0, os.SEEK_END)
    rows.seek(max(0, end - 1))
    if rows.read(1) not in (b"", b"\n"):
        rows.seek(0)
        end = rows.read().rfind(b"\n") + 1
        rows.truncate(end)
    try:
        if rows.write(line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(rows.fileno())
    except OSError:
        rows.truncate(end)
        raise

"""Which test images the page shows with their answers, and what it says of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier, Probabilities
from vision.explanation import activation_maps, original_image, overlay, place_on_original
from vision.prepared import PreparedImages
from vision.preprocessing import Preprocessing
from vision.report.contents import Prediction
from vision.runtimes import Logits
from vision.task import Task, has_class

Read = Callable[[str], bytes]  # a path below the manifest's root -> the image's bytes
# Of originals, in pixels: as sharp as a page shows them, and a report of 24 of them stays small.
MAX_SIDE = 640


@dataclass(frozen=True)
class Answers:
    """What was said of images and what is true, all (N, K): of one class an image, `given` has one a row."""

    task: Task
    probabilities: Probabilities
    given: NDArray[np.bool_]
    true: NDArray[np.bool_]

    @property
    def errors(self) -> Probabilities:
        """How far each probability is from the truth, 0..1; 0 where the class was rightly given or not.

        Of one class an image only the wrong answer counts, not also the class that it stands in for.
        """
        wrong = self.given != self.true
        if self.task == "multi_class":
            wrong &= self.given
        errors: Probabilities = np.where(wrong, np.abs(self.probabilities - self.true), 0).astype(np.float32)
        return errors

    @property
    def explained(self) -> NDArray[np.intp]:
        """The class (N,) to look at: the worst error, in a right answer the most probable class."""
        is_wrong = (self.given != self.true).any(axis=1)
        worst, likeliest = self.errors.argmax(axis=1), self.probabilities.argmax(axis=1)
        explained: NDArray[np.intp] = np.where(is_wrong, worst, likeliest)
        return explained


def answer_test_images(classifier: ImageClassifier, prepared: PreparedImages) -> Answers:
    """The classifier's answers to all test images."""
    return read_answers(classifier, prepared, classifier.logits(prepared.images("test")))


def read_answers(classifier: ImageClassifier, prepared: PreparedImages, logits: Logits) -> Answers:
    """The same of the logits (N, K) that it gave them before."""
    probabilities, classes = classifier.to_probabilities(logits), len(prepared.class_names)
    if classifier.task == "multi_label":
        given = classifier.present(probabilities)
    else:
        given = has_class(probabilities.argmax(axis=1), classes)
    return Answers(classifier.task, probabilities, given, has_class(prepared.labels("test"), classes))


def choose_for_gallery(
    answers: Answers, count: int, *, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to explain (half of them wrong, where there are as many) and the worst mistakes."""
    is_wrong = (answers.given != answers.true).any(axis=1)
    wrong, right = np.flatnonzero(is_wrong), np.flatnonzero(~is_wrong)
    mistakes = wrong[np.argsort(-answers.errors[wrong].max(axis=1), kind="stable")][:count]
    explained = mistakes[: count // 2]
    drawn = np.random.default_rng(seed).permutation(right)[: count - len(explained)]
    return np.concatenate([drawn, explained]), mistakes


def explain(
    classifier: ImageClassifier,
    prepared: PreparedImages,
    answers: Answers,
    rows: NDArray[np.intp],
    *,
    read: Read | None = None,
) -> tuple[str, tuple[Prediction, ...]]:
    """The method of the activation maps, and the answers to those rows with their maps.

    With `read` (Manifest.read) both image and overlay are the original, upright and whole, of MAX_SIDE
    pixels at most; without it they are the prepared image.
    """
    maps = activation_maps(classifier, prepared.images("test")[rows], answers.explained[rows])
    pairs = zip(show(prepared, answers, rows), maps.maps, strict=True)
    shown = tuple(_with_overlay(each, activation, read, prepared.preprocessing) for each, activation in pairs)
    return maps.method, shown


def _with_overlay(
    prediction: Prediction, activation: NDArray[np.float32], read: Read | None, preprocessing: Preprocessing
) -> Prediction:
    if read is None:
        return replace(prediction, overlay=overlay(prediction.image, activation))
    image = original_image(read(prediction.path), preprocessing, max_side=MAX_SIDE)
    placed = place_on_original(activation, image.shape[:2], preprocessing)
    return replace(prediction, image=image, overlay=overlay(image, placed))


def show(prepared: PreparedImages, answers: Answers, rows: NDArray[np.intp]) -> tuple[Prediction, ...]:
    """The answers to those rows."""
    images, paths, names = prepared.images("test"), prepared.paths("test"), np.array(prepared.class_names)
    explained = answers.explained
    return tuple(
        Prediction(
            image=np.asarray(images[row]),
            true=tuple(names[answers.true[row]].tolist()),
            predicted=tuple(names[answers.given[row]].tolist()),
            explained=prepared.class_names[explained[row]],
            probability=float(answers.probabilities[row, explained[row]]),
            path=paths[row],
        )
        for row in rows
    )

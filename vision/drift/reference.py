"""The reference: validation images as the classifier that is to serve sees and answers them.

Not the training images: what a model has learned by heart it answers more surely than anything later.
"""

from __future__ import annotations

import numpy as np

from vision.classifier import ImageClassifier
from vision.drift.answering import Answering
from vision.drift.embedding import embed
from vision.drift.profile import Profile
from vision.drift.properties import measure_properties
from vision.errors import DataError
from vision.inspection.thumbnails import shrink
from vision.manifest import Manifest
from vision.prepared import PreparedImages
from vision.right_answers import right_images
from vision.robustness.evaluation import draw_images
from vision.task import Labels, Present

# More would make the tests no sharper: the chance that remains is that of the few hundred images served.
MOST_IMAGES = 2000
EXAMPLES, EXAMPLE_SIDE = 12, 96


def profile_of(
    classifier: ImageClassifier, prepared: PreparedImages, manifest: Manifest, *, seed: int
) -> Profile:
    """The profile of at most MOST_IMAGES validation images, drawn so that each class has its share.

    `manifest` is what was prepared. DataError where there is no validation image.
    """
    labels = prepared.labels("validation")
    if not len(labels):
        raise DataError("no validation image to compare service with: set config.split.validation above 0")
    rows = draw_images(labels, MOST_IMAGES, seed=seed)
    images, labels = prepared.images("validation").view(rows), labels[rows]
    paths = [prepared.paths("validation")[row] for row in rows]
    judgement = classifier.judge(classifier.logits(images))
    rules = classifier.uncertainty
    sets = rules.sets if rules else None
    return Profile(
        probabilities=judgement.probabilities,
        energy=judgement.energy,
        right=right_images(labels, judgement.probabilities, thresholds=classifier.thresholds),
        covered=_covered(judgement.sets, labels) if sets else np.zeros(0, np.bool_),
        properties=measure_properties(images, manifest.table.set_index("path").loc[paths]),
        embeddings=embed(classifier, images),
        answering=Answering(
            classifier.class_names, classifier.task, classifier.thresholds, sets.coverage if sets else None
        ),
        examples=np.stack([shrink(image, side=EXAMPLE_SIDE) for image in images[_spread(len(rows))]]),
    )


def _covered(sets: Present, labels: Labels) -> Present:
    covered: Present = sets[np.arange(len(labels)), labels]
    return covered


def _spread(images: int) -> np.ndarray:
    return np.unique(np.linspace(0, images - 1, min(EXAMPLES, images)).astype(np.intp))

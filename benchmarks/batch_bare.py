"""What batch prediction is measured beside; in a file of its own, so that its processes import no Keras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.batch.loading import load_batches
from vision.batch.opening import batch_size, open_classifier
from vision.batch.part import PartDone
from vision.batch.plan import Plan


@dataclass(frozen=True)
class Bare:
    """The least there is to do with a part: read, decode, infer. No hash, no row, no file."""

    plan: Plan

    def __call__(self, part: int) -> PartDone:
        classifier = open_classifier(self.plan.model)
        images = self.plan.images_of(part)
        for batch in load_batches(images, batch_size(classifier), self.plan.bytes_column):
            classifier.logits(np.stack([classifier.preprocessing.apply(each.data) for each in batch]))
        return PartDone(part, len(images), 0)

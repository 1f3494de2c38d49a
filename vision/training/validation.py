"""How well a network does on images that it was not trained on: by this, weights are chosen."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from vision.image_array import chunks
from vision.keras_batches import images_at_a_time
from vision.prepared import LabelledImages
from vision.training.devices import predict
from vision.training.objective import Objective, training_targets


@dataclass(frozen=True, order=True)
class Validation:
    """Larger is better: a higher score, of equal scores the lower loss.

    `score` is accuracy, or average precision for several labels; `minus_loss` is -(mean loss).
    """

    score: float
    minus_loss: float


def validate(network: keras.Model, data: LabelledImages, objective: Objective) -> Validation:
    """The network on all of `data`, as `fit` validates it: nothing augmented, no dropout."""
    batch_size = images_at_a_time(data.images)
    logits = np.concatenate([predict(network, part, batch_size=batch_size) for part in chunks(data.images)])
    targets = training_targets(data.labels, logits.shape[1])
    objective.score.reset_state()
    objective.score.update_state(targets, logits)
    return Validation(float(objective.score.result()), -float(objective.loss(targets, logits)))

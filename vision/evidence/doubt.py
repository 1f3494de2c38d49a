"""Scores of doubt that only the trained network gives: what dropout changes, what an ensemble disagrees on.

Exported models have neither dropout nor members, so these are shown and not served.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.classifier import ImageClassifier, sigmoid, softmax
from vision.image_array import ImageArray, chunks


def keras_doubts(
    trained: ImageClassifier, images: ImageArray, *, passes: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Mutual information (N,) by its name: "dropout" over so many passes, "members" of an ensemble.

    What there is not is left out: with 0 passes dropout, without an ensemble members.
    """
    from vision.runtimes.keras_runtime import KerasRuntime

    if not isinstance(trained.runtime, KerasRuntime):
        return {}
    doubts = {}
    if passes:
        from vision.uncertainty.dropout import monte_carlo_dropout

        drawn = monte_carlo_dropout(
            trained.runtime.model, images, passes=passes, seed=seed, task=trained.task
        )
        doubts["dropout"] = drawn.information
    disagreement = _members_disagreement(trained, images)
    return doubts if disagreement is None else {**doubts, "members": disagreement}


def _members_disagreement(trained: ImageClassifier, images: ImageArray) -> NDArray[np.float64] | None:
    from vision.runtimes.keras_runtime import KerasRuntime
    from vision.training.averaging import members_of
    from vision.uncertainty.disagreement import disagreement

    assert isinstance(trained.runtime, KerasRuntime)
    members = [KerasRuntime(member) for member in members_of(trained.runtime.model)]
    if not members:
        return None
    to_probabilities = sigmoid if trained.task == "multi_label" else softmax
    return np.concatenate(
        [
            disagreement(
                np.stack([to_probabilities(member.logits(chunk)) for member in members]), trained.task
            )
            for chunk in chunks(images)
        ]
    )

"""All evidence about the classifier that is to serve, from what it said of the test images.

The test images are passed through it once, before; only robustness shows it other pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from vision.classifier import ImageClassifier
from vision.comparison import Answered
from vision.config import EvaluateConfig
from vision.cross_validation.scores import CrossValidation
from vision.errors import DataError
from vision.evidence.doubt import keras_doubts
from vision.evidence.parts import Evidence
from vision.manifest import Manifest
from vision.paired import PairedComparison, compare_models
from vision.prepared import PreparedImages
from vision.right_answers import right_images
from vision.robustness.evaluation import evaluate_robustness
from vision.runtimes import Logits
from vision.slices import evaluate_slices
from vision.task import Labels
from vision.uncertainty.evaluation import evaluate_uncertainty


@dataclass(frozen=True)
class TestedClassifier:
    """A classifier and its logits (N, K) of the test images."""

    __test__ = False  # pytest takes every class that begins with Test for one of its own

    name: str
    classifier: ImageClassifier
    logits: Logits

    @property
    def answered(self) -> Answered:
        probabilities = self.classifier.to_probabilities(self.logits)
        return Answered(probabilities, self.classifier.thresholds)


def gather_evidence(
    serving: TestedClassifier,
    trained: TestedClassifier,
    prepared: PreparedImages,
    manifest: Manifest,
    *,
    config: EvaluateConfig,
    seed: int,
    champion: tuple[str, Answered] | None = None,
    folds: CrossValidation | None = None,
) -> Evidence:
    """`trained` is the same classifier before compression; `champion` has a name and its answers."""
    labels, classifier = prepared.labels("test"), serving.classifier
    answered = serving.answered
    right = right_images(labels, answered.probabilities, thresholds=answered.thresholds)
    pairs = _Pairs(labels, prepared.class_names, config.resamples, seed)
    return Evidence(
        slices=evaluate_slices(right, _rows(manifest, prepared)),
        uncertainty=evaluate_uncertainty(
            classifier,
            serving.logits,
            labels,
            more_doubt=keras_doubts(
                trained.classifier, prepared.images("test"), passes=config.dropout_passes, seed=seed
            ),
        ),
        robustness=evaluate_robustness(
            classifier, prepared.images("test"), labels, limit=config.robustness_images, seed=seed
        )
        if config.robustness_images
        else None,
        cross_validation=folds,
        champion=pairs.compare(champion, (serving.name, answered)) if champion else None,
        compression=pairs.compare((trained.name, trained.answered), (serving.name, answered)),
    )


@dataclass(frozen=True)
class _Pairs:
    labels: Labels
    class_names: tuple[str, ...]
    resamples: int
    seed: int

    def compare(self, before: tuple[str, Answered], after: tuple[str, Answered]) -> PairedComparison:
        return compare_models(
            self.labels,
            before[1].probabilities,
            after[1].probabilities,
            self.class_names,
            names=(before[0], after[0]),
            thresholds=(before[1].thresholds, after[1].thresholds),
            resamples=self.resamples,
            seed=self.seed,
        )


def _rows(manifest: Manifest, prepared: PreparedImages) -> pd.DataFrame:
    """The manifest's rows of the test images, in their order."""
    table, paths = manifest.table.set_index("path"), list(prepared.paths("test"))
    if not set(paths) <= set(table.index):
        raise DataError(
            "the manifest does not have all images that were prepared from it; run the pipeline again"
        )
    return table.loc[paths].reset_index()

"""The classifier that is to serve -> slices, doubt, robustness, and how it compares with those before it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from zenml import log_metadata, step

from registry.bundles import load_bundle
from registry.champion import find_champion
from registry.pointer import bundle_path
from registry.workspace import Workspace
from vision.classifier import ImageClassifier
from vision.comparison import Answered, answer_test
from vision.config import EvaluateConfig
from vision.cross_validation.scores import OptionalCrossValidation
from vision.evidence.parts import Evidence
from vision.manifest import Manifest
from vision.prepared import PreparedImages


@step
def gather_evidence(
    serving: ImageClassifier,
    serving_logits: np.ndarray,
    trained: ImageClassifier,
    trained_logits: np.ndarray,
    prepared: PreparedImages,
    manifest: Manifest,
    folds: OptionalCrossValidation,
    config: EvaluateConfig,
    seed: int,
    name: str,
) -> Annotated[Evidence, "evidence"]:
    """All on the test images. The champion is that of the day when the model was made: the cache keeps it."""
    from vision.evidence.gather import TestedClassifier, gather_evidence

    evidence = gather_evidence(
        TestedClassifier("the model as it serves", serving, serving_logits),
        TestedClassifier("the model as trained", trained, trained_logits),
        prepared,
        manifest,
        config=config,
        seed=seed,
        champion=_champion(name, manifest, prepared),
        folds=folds.result,
    )
    log_metadata({part: value is not None for part, value in evidence})
    return evidence


def _champion(name: str, manifest: Manifest, prepared: PreparedImages) -> tuple[str, Answered] | None:
    workspace = Workspace.from_environment()
    champion = find_champion(workspace, name)
    if champion is None:
        return None
    classifier = load_bundle(bundle_path(workspace, name, champion.version))
    answered = answer_test(classifier, manifest, workspace.prepared, prepared.class_names)
    return f"champion version {champion.version}", answered

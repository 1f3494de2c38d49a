"""The bundle store: everything that a service needs of one version, in one sealed folder.

A bundle takes its place only after it was read back and gave the golden answers. It imports no MLflow:
the service opens bundles with this same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.pointer import bundle_path
from registry.workspace import Workspace
from vision.bundle import atomic_folder, seal
from vision.classifier import ImageClassifier
from vision.golden import check_golden, write_golden


def store_bundle(
    workspace: Workspace,
    model: str,
    version: int,
    classifier: ImageClassifier,
    *,
    samples: dict[str, bytes],
    description: Mapping[str, Any],
) -> str:
    """Digest of the bundle that now stands at the version's path; BundleError, and no bundle, if it fails.

    `samples` are encoded images, by file name, whose answers become golden vectors; `description` is what
    bundle.json says beside the classifier (lineage and the like).
    """
    folder = bundle_path(workspace, model, version)
    return write_bundle(folder, classifier, samples=samples, description=description)


def write_bundle(
    folder: Path,
    classifier: ImageClassifier,
    *,
    samples: dict[str, bytes],
    description: Mapping[str, Any],
) -> str:
    """Digest of the checked bundle, in any folder; whole or not at all."""
    with atomic_folder(folder) as temporary:
        files = classifier.write_files(temporary)
        write_golden(classifier, samples, temporary)
        # The classifier's own entries last: a description cannot overrule what the loader reads.
        digest = seal(temporary, {**description, **files})
        load_bundle(temporary)
    return digest


def load_bundle(folder: Path) -> ImageClassifier:
    """The classifier of a bundle whose hashes hold and whose golden vectors come out, else BundleError."""
    classifier = ImageClassifier.load(folder)
    check_golden(classifier, folder)
    return classifier

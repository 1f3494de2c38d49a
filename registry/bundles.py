"""The bundle store: everything that a service needs of one version, in one sealed folder.

A bundle takes its place only after it was read back and gave the golden answers. It imports no MLflow:
the service opens bundles with this same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.pointer import bundle_path
from registry.workspace import Workspace
from vision.bundle import NETWORK, atomic_folder, seal
from vision.classifier import ImageClassifier
from vision.errors import BundleError
from vision.golden import check_golden, golden_pixels, write_golden

if TYPE_CHECKING:
    from vision.drift.profile import Profile

REFERENCE = "reference"  # the folder of the reference profile, which monitoring reads and no service


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
    network: ImageClassifier | None = None,
    reference: Profile | None = None,
) -> str:
    """Digest of the checked bundle, in any folder; whole or not at all.

    `network` is the Keras classifier that the other was converted from: BundleError where they disagree.
    `reference` is what the classifier makes of validation images, for monitoring.
    """
    with atomic_folder(folder) as temporary:
        files = classifier.write_files(temporary)
        if network is not None:
            network.save(temporary / NETWORK)
        if reference is not None:
            reference.save(temporary / REFERENCE)
        write_golden(classifier, samples, temporary)
        # The classifier's own entries last: a description cannot overrule what the loader reads.
        digest = seal(temporary, {**description, **files})
        loaded = load_bundle(temporary)
        if network is not None:
            _check_conversion(loaded, network, temporary)
    return digest


def load_bundle(folder: Path) -> ImageClassifier:
    """The classifier of a bundle whose hashes hold and whose golden vectors come out, else BundleError."""
    classifier = ImageClassifier.load(folder)
    check_golden(classifier, folder)
    return classifier


def _check_conversion(classifier: ImageClassifier, network: ImageClassifier, folder: Path) -> None:
    """On every golden image in float32; fewer bits were judged by many images when they were chosen."""
    from vision.exporting.parity import check_parity  # no service needs it

    runtime = classifier.runtime
    if runtime.precision != "float32":
        return
    parity = check_parity(network, runtime, golden_pixels(folder))
    if not parity.ok:
        raise BundleError(
            f"{runtime.name} in {runtime.precision} does not answer as the Keras network that it was made of,"
            f" and is not registered: probabilities of golden images differ by {parity.difference:.3g}"
            f" ({parity.judged}), allowed is {parity.tolerance:g}; leave that runtime or precision out of"
            " config.compress"
        )

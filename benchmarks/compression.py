"""What the search for a smaller model makes of the champions of CIFAR-10 and groceries.

Beside them the trained network as .keras and as SavedModel, and int8 by NNCF as it comes. Validation images
alone decide; test images are looked at once, at the end.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

from benchmarks.baselines import only_prepared
from benchmarks.record import ROOT, table, write_section
from benchmarks.runs import KEPT
from registry.origins import trained_network
from registry.pointer import read_pointer
from registry.versions import get_version
from registry.workspace import Workspace
from vision.augmentation_policy import AugmentationPolicy
from vision.calibration import calibrate_classifier
from vision.classifier import ImageClassifier
from vision.compression.compress import compress_classifier
from vision.compression.latency import paired_latency_ms
from vision.compression_config import CompressConfig
from vision.exporting.files import export_serving
from vision.paired import compare_models, in_words
from vision.prepared import PreparedImages
from vision.runtimes import load_runtime

CHAMPIONS = ("cifar10", "grocery")
SEARCH = CompressConfig.model_validate(
    {"prune": {"shares": [0.25, 0.5], "train": {"recipe": "after_pruning", "epochs": 5}}, "trials": 8}
)


def main() -> None:
    parts = [_champion(name) for name in CHAMPIONS]
    write_section("compression", "\n\n".join(parts))


def _champion(name: str) -> str:
    original, prepared = trained_champion(name)
    policy = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())["parameters"]["config"][
        "augment"
    ]
    made = compress_classifier(original, prepared, SEARCH, policy=AugmentationPolicy(**policy), seed=1)
    rows = [
        (row.title or "as trained", row.runtime, row.precision, f"{row.accuracy:.4f}",
         f"{row.highest_drop_points:.2f}", f"{row.size_bytes / 1e6:.2f}", f"{row.latency_ms:.2f}",
         "**serves**" if row.is_chosen else row.failure)
        for row in made.table.rows
    ]  # fmt: skip
    head = ("network", "runtime", "precision", "validation accuracy", "points lost, at most", "MB", "ms", "")
    return f"### {name}\n\n{table(head, rows)}\n\n{_on_test_images(original, made.servable, prepared)}"


def trained_champion(name: str) -> tuple[ImageClassifier, PreparedImages]:
    """The champion as it was trained, calibrated; SystemExit where the benchmark of that name has not run."""
    workspace = Workspace(KEPT / name)
    if not workspace.root.is_dir():
        raise SystemExit(f"{workspace.root} is not there: run `python -m benchmarks {name}` first")
    version = get_version(workspace, name, read_pointer(workspace, name).version)
    prepared = only_prepared(workspace.root)
    champion = ImageClassifier.load(version.bundle)
    network = champion.with_runtime(trained_network(workspace, version))
    return calibrate_classifier(network, prepared.labelled("validation"), seed=1), prepared


def _on_test_images(original: ImageClassifier, servable: ImageClassifier, prepared: PreparedImages) -> str:
    test = prepared.labelled("test")
    with tempfile.TemporaryDirectory() as folder:
        export_serving(original, Path(folder), None)
        served_by_tensorflow = original.with_runtime(load_runtime("saved_model", Path(folder), "float32"))
        before, tensorflow, after = paired_latency_ms(
            [original, served_by_tensorflow, servable], test.images[:1]
        )
    compared = compare_models(
        test.labels, original.predict(test.images), servable.predict(test.images), prepared.class_names,
        names=("the trained network", "what serves"),
    )  # fmt: skip
    smaller = original.size_bytes / servable.size_bytes
    size = f"**{smaller:.1f} times smaller** than its .keras ({servable.size_bytes / 1e6:.2f} MB)"
    speed = f"**{tensorflow / after:.1f} times as fast** as its SavedModel ({tensorflow:.2f} ms)"
    return (
        f"On {len(test.labels):,} test images: {in_words(compared)}\n\nIt is {size}. One image takes"
        f" {after:.2f} ms, {speed} and {before / after:.1f} times as fast as Keras ({before:.2f} ms)."
    )


if __name__ == "__main__":
    main()

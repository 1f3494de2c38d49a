"""The champions that other benchmarks left behind in workspace/benchmarks, and the images that they saw."""

from __future__ import annotations

from benchmarks.baselines import only_prepared
from benchmarks.runs import KEPT
from registry.pointer import bundle_path, read_pointer
from registry.workspace import Workspace
from vision.classifier import ImageClassifier
from vision.errors import NoChampion
from vision.prepared import PreparedImages


def kept_champion(name: str) -> tuple[ImageClassifier, PreparedImages]:
    """The champion of the benchmark of that name; SystemExit, with the command that makes it, without one."""
    workspace = Workspace(KEPT / name)
    try:
        version = read_pointer(workspace, name).version
    except NoChampion:
        command = f"python -m benchmarks {name.replace('-', '_')}"
        raise SystemExit(f"{workspace.root} has no champion: run `{command}` first") from None
    return ImageClassifier.load(bundle_path(workspace, name, version)), only_prepared(workspace.root)

"""Where an answer comes from: from a prediction's id back to the images that its model learned from.

    prediction log -> version, bundle -> MLflow's run, config, commit -> data revision -> images
                                      -> the ledger: when it served, and why

A link that is gone does not end the walk: it is said in `Trace.missing`, and what follows is looked for.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from registry import ledger
from registry.data_revisions import read_manifest, revision_path
from registry.ledger import LedgerEntry
from registry.logged_answer import LoggedAnswer, find_answer
from registry.model_version import Lineage
from registry.pointer import ChampionPointer, bundle_path
from registry.run_files import read_run_file
from registry.versions import get_version
from registry.workspace import Workspace
from vision.bundle import bundle_digest, open_bundle
from vision.errors import BundleError, RegistryError, SightlineError

T = TypeVar("T")
# The file that the pipeline's step `register` leaves in the run.
CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class Reign:
    """A time as champion, in UTC, ISO 8601; `until` is None where it lasts. By whom and why it began."""

    since: str
    until: str | None
    who: str
    why: str


@dataclass(frozen=True)
class LearnedFrom:
    """The images of a data revision. `images`: how many, by split and class."""

    revision: str
    manifest: Path
    root: str
    images: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Trace:
    """All that is known of where an answer comes from; None where a link is gone.

    `bundle_holds`: every file of the bundle is there, and it is the one that answered. `config` is the YAML's
    config tree as the run had it. `missing` says in words which links are gone.
    """

    answer: LoggedAnswer
    bundle: Path
    bundle_holds: bool
    lineage: Lineage | None
    config: Mapping[str, Any] | None
    learned_from: LearnedFrom | None
    reigns: tuple[Reign, ...]
    missing: tuple[str, ...]


def trace(workspace: Workspace, prediction_id: str) -> Trace:
    """The walk from that id; RegistryError where it is no id, or none that the prediction log has."""
    answer = find_answer(workspace, prediction_id)
    model, missing = answer.pointer.model, list[str]()
    described = _reached(missing, lambda: _open(workspace, answer.pointer))
    lineage = _sealed_lineage(described) or _reached(
        missing, lambda: get_version(workspace, model, answer.pointer.version).lineage
    )
    return Trace(
        answer=answer,
        bundle=bundle_path(workspace, model, answer.pointer.version),
        bundle_holds=described is not None,
        lineage=lineage,
        config=_reached(missing, lambda: _read_config(workspace, lineage)) if lineage else None,
        learned_from=_reached(missing, lambda: _learned_from(workspace, model, lineage)) if lineage else None,
        reigns=_reached(missing, lambda: _reigns(workspace, answer.pointer)) or (),
        missing=tuple(missing),
    )


def _reached(missing: list[str], find: Callable[[], T]) -> T | None:
    """What is found; else None, and the reason among the missing links."""
    try:
        return find()
    # MLflow does not wrap what its database says of a damaged file.
    except (SightlineError, OSError, SQLAlchemyError) as error:
        missing.append(" ".join(str(error).split()))
        return None


def _open(workspace: Workspace, pointer: ChampionPointer) -> Mapping[str, Any]:
    """bundle.json of the bundle that answered; BundleError where it is altered, or another."""
    folder = bundle_path(workspace, pointer.model, pointer.version)
    description = open_bundle(folder)
    if bundle_digest(folder) != pointer.digest:
        raise BundleError(f"bundle {folder} is not the one that answered: its digest differs")
    return description


def _sealed_lineage(description: Mapping[str, Any] | None) -> Lineage | None:
    """What the bundle itself says, which its digest vouches for; None where it is gone, or does not say."""
    try:
        return Lineage(**description["lineage"]) if description else None
    except (KeyError, TypeError):
        return None


def _read_config(workspace: Workspace, lineage: Lineage) -> Mapping[str, Any]:
    if lineage.run_id is None:
        raise RegistryError("the version names no run of MLflow, so its config cannot be read")
    text = read_run_file(workspace, lineage.run_id, CONFIG_FILE)
    if hashlib.sha256(text.encode()).hexdigest() != lineage.config_digest:
        raise RegistryError(
            f"{CONFIG_FILE} of MLflow's run {lineage.run_id} is not the version's config: its digest is not"
            f" {lineage.config_digest}; a later run of the pipeline wrote it anew, or it was altered"
        )
    config: Mapping[str, Any] = json.loads(text)
    return config


def _learned_from(workspace: Workspace, model: str, lineage: Lineage) -> LearnedFrom:
    manifest = read_manifest(workspace, model, lineage.data_revision)
    counts: dict[str, Counter[str]] = {}
    for split, names in zip(manifest.table["split"], manifest.labels, strict=True):
        counts.setdefault(split, Counter()).update(names)
    return LearnedFrom(
        revision=lineage.data_revision,
        manifest=revision_path(workspace, model, lineage.data_revision),
        root=manifest.root,
        images={split: dict(sorted(counts[split].items())) for split in sorted(counts)},
    )


def _reigns(workspace: Workspace, pointer: ChampionPointer) -> tuple[Reign, ...]:
    moves: Sequence[LedgerEntry] = ledger.moves(workspace, pointer.model)
    return tuple(
        Reign(since=move.when, until=after.when if after else None, who=move.who, why=move.why)
        for move, after in zip_longest(moves, moves[1:])
        if move.version == pointer.version
    )

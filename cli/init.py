"""`sightline init FOLDER_OR_CSV`: a configuration for these images, with the reason for each value."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import AsJson
from cli.output import show_json, show_rows

if TYPE_CHECKING:
    from vision.manifest import Manifest
    from vision.starting_from_weights import Pretrained
    from vision.starting_point import StartingPoint

CONFIGS = Path("configs")
CLASSES_SHOWN = 8

Source = Annotated[
    str, typer.Argument(metavar="FOLDER_OR_CSV", help="class folders, CSV or parquet; URLs too")
]
Name = Annotated[str | None, typer.Option("--name", help="of the model and its file; made from the path")]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="file of MobileNetV2's ImageNet weights; else looked for")
]
Force = Annotated[bool, typer.Option("--force", help="replace configs/NAME.yaml")]


def init(
    source: Source,
    name: Name = None,
    weights: Weights = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Look at images and write configs/NAME.yaml, ready to train and commented; nothing is moved."""
    from infra.doctor import Surroundings
    from infra.doctor.gpu import has_usable_gpu
    from registry.workspace import Workspace
    from vision.bundle import write_atomically
    from vision.glance import glance
    from vision.processors import usable_processors
    from vision.sources import guess_source, list_images
    from vision.starting_plan import Machine
    from vision.starting_point import name_for, suggest_config
    from vision.starting_point_file import write_starting_point

    data = guess_source(source)
    name = _checked_name(name) if name else name_for(source)
    target = CONFIGS / f"{name}.yaml"
    _refuse_taken(target, name, force=force)
    manifest = glance(list_images(data, Workspace.from_environment().data))
    point = suggest_config(
        manifest,
        data.model_copy(update={"path": path_for(source)}),
        name=name,
        machine=Machine(usable_processors(), has_usable_gpu(Surroundings.of_this_process())),
        pretrained=_pretrained(weights),
    )
    write_atomically(target, write_starting_point(point))
    document = _document(target, point, manifest)
    if as_json:
        show_json(document)
    else:
        show_rows(_rows(document))


def path_for(source: str) -> str:
    """The path as the YAML has it: relative where it lies below or beside the current folder; URLs stay."""
    if "://" in source:
        return source
    path, here = Path(source).expanduser().resolve(), Path.cwd()
    below, beside = path.is_relative_to(here), path.is_relative_to(here.parent)
    is_near = below or (beside and here.parent != Path(here.anchor))
    return os.path.relpath(path, here) if is_near else str(path)


def _pretrained(weights: Path | None) -> Pretrained | None:
    """The weights that were named, or those that are found, with their path as the YAML has it."""
    from vision.starting_from_weights import find_pretrained, pretrained_from

    found = pretrained_from(weights) if weights else find_pretrained()
    return replace(found, path=path_for(found.path)) if found else None


def _checked_name(name: str) -> str:
    from vision.config import NAME_PATTERN
    from vision.errors import ConfigError
    from vision.starting_point import LONGEST_NAME

    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(
            f'"{name}" cannot be the name of a model: allowed are a to z, 0 to 9, "-" and "_", at most'
            f" {LONGEST_NAME}, first a letter or digit; change --name"
        )
    return name


def _refuse_taken(target: Path, name: str, *, force: bool) -> None:
    """Neither a file nor another file's model is overwritten: two files of one name share a champion."""
    from vision.config_file import load_config
    from vision.errors import ConfigError

    if target.exists() and not force:
        raise ConfigError(f"{target} exists: add --force to replace it, or choose another name with --name")
    for path in (Path("zenml_config.yaml"), *sorted(CONFIGS.glob("*.yaml"))):
        try:
            is_taken = path != target and load_config(path).name == name
        except ConfigError:  # a file that is missing or broken has no model
            continue
        if is_taken:
            raise ConfigError(
                f'{path} has a model "{name}" already: two files of one name would fight for one champion;'
                " choose another with --name"
            )


def _document(target: Path, point: StartingPoint, manifest: Manifest) -> dict[str, Any]:
    from collections import Counter

    from vision.glance import look_at

    unreadable = manifest.table[~manifest.table["is_readable"]]
    return {
        "config": str(target),
        "name": point.config.name,
        "network": point.config.model.name,
        "recipe": point.config.train.recipe,
        "weights": point.config.model.weights,
        "advice": point.advice,
        **asdict(look_at(manifest)),
        "images_of_class": dict(
            Counter(label for labels in manifest.labels for label in labels).most_common()
        ),
        "looked_at": int((manifest.table["width"] > 0).sum()) + len(unreadable),
        "unreadable": dict(zip(unreadable["path"], unreadable["reason"], strict=True)),
        "next": f"make train CONFIG={target}",
    }


def _rows(document: dict[str, Any]) -> dict[str, object]:
    counts = document["images_of_class"]
    shown = [f"{label} {count:,}" for label, count in list(counts.items())[:CLASSES_SHOWN]]
    rest = [f"and {len(counts) - CLASSES_SHOWN} more"] if len(counts) > CLASSES_SHOWN else []
    unreadable, weights = document["unreadable"], document["weights"]
    first = next((f", such as {path}: {reason}" for path, reason in unreadable.items()), "")
    return {
        "task": "multi-label" if document["is_multi_label"] else "multi-class",
        "images": f"{document['images']:,}{', split already' if document['is_split'] else ''}",
        "classes": f"{len(counts)}: {', '.join([*shown, *rest])}",
        "balance": f"largest to smallest {max(counts.values()) / min(counts.values()):.1f} to 1",
        "size": f"short side {document['median_side']} pixels in the median",
        "unreadable": f"{len(unreadable)} of {document['looked_at']:,} looked at{first}",
        "network": document["network"] + (f", from {weights}" if weights else ", from random weights"),
        **({"advice": document["advice"]} if document["advice"] else {}),
        "written": document["config"],
        "next": document["next"],
        "then": f"make serve SIGHTLINE_MODEL={document['name']}",
    }

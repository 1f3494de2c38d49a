"""The champion as the service sees it: a small file that is replaced in one step, read without MLflow."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from registry.workspace import Workspace
from vision.bundle import write_atomically
from vision.errors import NoChampion, RegistryError

MAKE_CHAMPION = "run `make train`, or promote a version with `sightline promote VERSION`"


@dataclass(frozen=True)
class ChampionPointer:
    """Which version answers, and the digest that its bundle must have."""

    model: str
    version: int
    digest: str


def pointer_path(workspace: Workspace, model: str) -> Path:
    return workspace.registry / model / "champion.json"


def bundle_path(workspace: Workspace, model: str, version: int) -> Path:
    return workspace.registry / model / "bundles" / str(version)


def write_pointer(workspace: Workspace, pointer: ChampionPointer) -> None:
    write_atomically(pointer_path(workspace, pointer.model), json.dumps(asdict(pointer)) + "\n")


def read_pointer(workspace: Workspace, model: str) -> ChampionPointer:
    """The champion of the model; NoChampion where none was promoted."""
    path = pointer_path(workspace, model)
    try:
        return ChampionPointer(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise NoChampion(f'"{model}" has no champion yet: {MAKE_CHAMPION}') from None
    except (ValueError, TypeError) as error:
        raise RegistryError(f"{path} is damaged ({error}): `sightline status` repairs it") from error

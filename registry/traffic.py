"""How a model's requests are divided between its champion and a challenger: a small file, followed by services.

It lies beside the champion's pointer and is replaced in one step, likewise. No file: the champion has all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from registry.pointer import ChampionPointer
from registry.workspace import Workspace
from vision.bundle import write_atomically
from vision.errors import RegistryError


class Traffic(BaseModel):
    """A challenger, and what it sees of the requests.

    In mode "split" it answers `share` of them; its canary `steps` are the shares that follow, each after
    `step_minutes` without a breach of `limits`. In mode "shadow" it sees the champion's requests, and its
    answers are only logged. `since`: ISO 8601, when this share began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: int
    digest: str
    mode: Literal["split", "shadow"] = "split"
    share: float = Field(0.1, ge=0, le=1)
    steps: tuple[float, ...] = ()
    step_minutes: float = Field(10, gt=0)
    since: str

    @property
    def challenger(self) -> ChampionPointer:
        return ChampionPointer(self.model, self.version, self.digest)


def traffic_path(workspace: Workspace, model: str) -> Path:
    return workspace.registry / model / "traffic.json"


def read_traffic(workspace: Workspace, model: str) -> Traffic | None:
    """None where the champion has all; RegistryError where the file is damaged."""
    path = traffic_path(workspace, model)
    try:
        return Traffic.model_validate_json(path.read_text())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise RegistryError(
            f"{path} is damaged ({error.error_count()} errors): `sightline traffic --stop` removes it"
        ) from error


def write_traffic(workspace: Workspace, traffic: Traffic) -> None:
    write_atomically(traffic_path(workspace, traffic.model), traffic.model_dump_json(indent=1) + "\n")


def end_traffic(workspace: Workspace, model: str) -> None:
    """The champion has all again."""
    traffic_path(workspace, model).unlink(missing_ok=True)

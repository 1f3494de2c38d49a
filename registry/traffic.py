"""How a model's requests are divided between champion and challenger: one small file that services follow.

It lies beside the champion's pointer and is replaced in one step, likewise. No file: the champion has all.
Why the last experiment ended stands in a second one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self, TextIO, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from registry.pointer import ChampionPointer
from registry.workspace import Workspace
from vision.bundle import write_atomically
from vision.errors import RegistryError
from vision.file_lock import exclusive

M = TypeVar("M", bound=BaseModel)


class Limits(BaseModel):
    """What the challenger may not do; each of the three ends a harmless experiment with `alpha` at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_error_share: float = Field(0.01, gt=0, lt=1, description="of its answers")
    max_latency_ratio: FiniteFloat = Field(2, gt=0, description="its 95th percentile over the champion's")
    alpha: float = Field(0.01, gt=0, lt=1)


class Traffic(BaseModel):
    """A challenger, and what it sees of the requests.

    In mode "split" it answers `share` of them; its canary `steps` are the shares that follow, each after
    `step_minutes` without a breach of `limits`. In mode "shadow" it sees the champion's requests, and its
    answers are only logged. `since`: ISO 8601 with a time zone, when the experiment began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: int
    digest: str
    mode: Literal["split", "shadow"] = "split"
    share: float = Field(0.1, ge=0, le=1)
    steps: tuple[Annotated[float, Field(le=1)], ...] = ()
    step_minutes: FiniteFloat = Field(10, gt=0)
    limits: Limits = Limits()
    since: str

    @field_validator("since")
    @classmethod
    def _check_since(cls, since: str) -> str:
        if datetime.fromisoformat(since).tzinfo is None:
            raise ValueError("a time zone is missing")
        return since

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        shares = (self.share, *self.steps)
        if any(after <= before for before, after in pairwise(shares)):
            raise ValueError(f"shares {', '.join(map(str, shares))}: each step must be above the one before")
        if self.steps and self.mode == "shadow":
            raise ValueError("a shadow answers nobody: it has no steps")
        return self

    @property
    def challenger(self) -> ChampionPointer:
        return ChampionPointer(self.model, self.version, self.digest)


class Ended(BaseModel):
    """How the last experiment ended; `version` is None where its file was damaged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int | None
    reason: str
    when: str


def current_share(traffic: Traffic, now: datetime) -> float:
    """The share 0..1 of the step that is on, by the clock alone: a restart does not begin anew."""
    minutes = (now - datetime.fromisoformat(traffic.since)).total_seconds() / 60
    shares = (traffic.share, *traffic.steps)
    return shares[int(min(max(0, minutes / traffic.step_minutes), len(traffic.steps)))]


def traffic_path(workspace: Workspace, model: str) -> Path:
    return workspace.registry / model / "traffic.json"


def read_traffic(workspace: Workspace, model: str) -> Traffic | None:
    """None where the champion has all; RegistryError where the file is damaged."""
    path = traffic_path(workspace, model)
    return _read(path, Traffic, "`sightline traffic --stop` removes it")


def read_ended(workspace: Workspace, model: str) -> Ended | None:
    """None where no experiment has ended yet; RegistryError where the file is damaged."""
    return _read(_ended_path(workspace, model), Ended, "delete it")


def write_traffic(workspace: Workspace, traffic: Traffic) -> None:
    with _lock(workspace, traffic.model):
        write_atomically(traffic_path(workspace, traffic.model), traffic.model_dump_json(indent=1) + "\n")


def end_traffic(
    workspace: Workspace, model: str, *, reason: str = "by hand", only: Traffic | None = None
) -> bool:
    """The champion has all again; True where this call did it. A damaged file is removed too.

    `only` that experiment is ended, where another may have begun since the caller looked.
    """
    path = traffic_path(workspace, model)
    if not path.exists():
        return False
    with _lock(workspace, model):
        try:
            running = read_traffic(workspace, model)
        except RegistryError:
            running = None
        if not path.exists() or (only is not None and only != running):
            return False
        path.unlink()  # first: on a full disk the reason is lost, not the way back
        when = datetime.now(UTC).isoformat(timespec="seconds")
        ended = Ended(version=running and running.version, reason=reason, when=when)
        write_atomically(_ended_path(workspace, model), ended.model_dump_json(indent=1) + "\n")
    return True


def _read(path: Path, kind: type[M], cure: str) -> M | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise RegistryError(f"{path} is damaged ({error.error_count()} errors): {cure}") from error


def _ended_path(workspace: Workspace, model: str) -> Path:
    return traffic_path(workspace, model).with_name("traffic-ended.json")


def _lock(workspace: Workspace, model: str) -> AbstractContextManager[TextIO]:
    return exclusive(traffic_path(workspace, model).with_name(".traffic.lock"))

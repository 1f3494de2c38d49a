"""The second blessing: what came of starting the real Bento and asking it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Blessing(BaseModel):
    """Whether a version's Bento may serve, with reasons in words where it may not.

    `asked` questions were put to it; `ready_seconds`, `p50_ms` and `megabytes` are None where it never
    became ready.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    given: bool
    reasons: tuple[str, ...] = ()
    asked: int = 0
    ready_seconds: float | None = None
    p50_ms: float | None = None
    megabytes: float | None = None

"""The bundle that a Bento carries, and where it lies in there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from registry.pointer import ChampionPointer

# Beside the packages, in the root of the Bento's code: serving/bento/build.py puts it there.
FOLDER = "embedded"
BUNDLE = "bundle"
POINTER = "pointer.json"


@dataclass(frozen=True)
class EmbeddedSource:
    """The one version of one model that a Bento was built for; it has no challenger."""

    root: Path

    @classmethod
    def of_this_code(cls) -> EmbeddedSource:
        """The one beside this package; it exists only inside a Bento."""
        return cls(Path(__file__).resolve().parents[2] / FOLDER)

    def exists(self) -> bool:
        return (self.root / POINTER).is_file()

    def default(self) -> str:
        return self._read().model

    def models(self) -> tuple[str, ...]:
        return (self._read().model,)

    def pointer(self, model: str) -> ChampionPointer:
        return self._read()

    def traffic(self, model: str) -> None:
        return None

    def folder(self, pointer: ChampionPointer) -> Path:
        return self.root / BUNDLE

    def write_pointer(self, pointer: ChampionPointer) -> None:
        (self.root / POINTER).write_text(json.dumps(asdict(pointer)) + "\n")

    def _read(self) -> ChampionPointer:
        return ChampionPointer(**json.loads((self.root / POINTER).read_text()))

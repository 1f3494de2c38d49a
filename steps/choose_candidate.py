"""The registry -> the version that is to be judged."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from registry.champion import find_champion
from registry.versions import get_version, list_versions
from registry.workspace import Workspace
from vision.errors import UnknownVersion


@step(enable_cache=False)
def choose_candidate(name: str, version: int | None) -> Annotated[int, "version"]:
    """That version, or of None the newest that is not champion; UnknownVersion where there is none."""
    workspace = Workspace.from_environment()
    if version is not None:
        return get_version(workspace, name, version).version
    champion = find_champion(workspace, name)
    numbers = [known.version for known in list_versions(workspace, name)]
    candidates = [number for number in numbers if champion is None or number != champion.version]
    if not candidates:
        known = "only the champion is registered" if numbers else "no version is registered"
        raise UnknownVersion(f'there is nothing to judge of "{name}": {known}; `make train` makes a version')
    return max(candidates)

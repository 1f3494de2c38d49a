"""The bundle that a command is told: a folder, a model's name for its champion, or NAME:VERSION."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vision.errors import BundleError, DataError, UnknownVersion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vision.prepared import PreparedImages
    from vision.preprocessing import Preprocessing

BundleName = Annotated[
    str, typer.Argument(help="a bundle's folder, a model's name (its champion), or NAME:VERSION")
]


@dataclass(frozen=True)
class Bundle:
    """A folder; `model` and `version` of a registered one."""

    folder: Path
    model: str = ""
    version: int = 0

    def prepared(self) -> PreparedImages | None:
        """The images that a registered version was trained and tested on, where the workspace has them."""
        if not self.model:
            return None
        from registry.origins import prepared_images
        from registry.versions import get_version
        from registry.workspace import Workspace

        workspace = Workspace.from_environment()
        try:
            return prepared_images(workspace, get_version(workspace, self.model, self.version))
        except DataError:
            return None

    def calibration(self, preprocessing: Preprocessing, folder: Path | None) -> NDArray[np.uint8] | None:
        """Training images (N, H, W, 3), uint8, for int8: those of the folder, else the version's own."""
        from vision.compression.compress import draw_calibration
        from vision.exporting.images import CALIBRATION_IMAGES, read_calibration

        if folder is not None:
            return read_calibration(folder, preprocessing)
        prepared = self.prepared()
        if prepared is None:
            return None
        return draw_calibration(prepared.labelled("train"), CALIBRATION_IMAGES, seed=0)


def find_bundle(name: str) -> Bundle:
    """BundleError or UnknownVersion where there is none."""
    if Path(name).is_dir():
        return Bundle(Path(name))
    from registry.pointer import bundle_path, read_pointer
    from registry.workspace import Workspace

    named = re.fullmatch(r"([a-z0-9][a-z0-9_-]*)(?::([0-9]+))?", name)
    if named is None:
        raise BundleError(f"no bundle at {name}: allowed are a bundle's folder, NAME and NAME:VERSION")
    workspace, (model, version) = Workspace.from_environment(), named.groups()
    number = int(version) if version else read_pointer(workspace, model).version
    folder = bundle_path(workspace, model, number)
    if not folder.is_dir():
        raise UnknownVersion(f'no version {number} of "{model}": there is no bundle at {folder}')
    return Bundle(folder, model, number)

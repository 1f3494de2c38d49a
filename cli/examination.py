"""What `sightline data` and `sightline contract` do first: read a data set and look at every image."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import DEFAULT_CONFIG
from vision.config import Config, ContractsConfig
from vision.config_file import load_config
from vision.manifest import ISSUES, Manifest
from vision.preprocessing import Preprocessing

if TYPE_CHECKING:
    from data_contracts.validation import ValidationReport
    from registry.workspace import Workspace
    from vision.data_report import DataSummary
    from vision.image_array import ShardedImages

ROOT = Path(__file__).resolve().parents[1]
# Large enough to look at and to compare; a model's own size comes with its YAML.
IMAGE_SIZE = (128, 128)


@dataclass(frozen=True)
class Examination:
    """A data set, looked at; `report` says what the contracts and policies of the YAML make of it."""

    manifest: Manifest
    images: ShardedImages
    report: ValidationReport
    summary: DataSummary

    def render(self, *, title: str) -> str:
        """The page as HTML."""
        from vision.data_report import render_data_report

        return render_data_report(self.summary, self.manifest, self.images, title=title)


def configure(source: str | None, config: Path | None) -> Config:
    """What the YAML says, with the source of the command line; the defaults where there is no YAML."""
    from vision.sources import guess_source
    from vision.starting_point import name_for

    if source is None:
        settings = load_config(config or DEFAULT_CONFIG)
    elif config is not None:
        settings = load_config(config).model_copy(update={"data": guess_source(source)})
    else:
        preprocessing = Preprocessing(image_size=IMAGE_SIZE)
        settings = Config(name=name_for(source), data=guess_source(source), prepare=preprocessing)
    # From whatever folder the command is called: contracts that are not there are the project's.
    places = {field: path if path.exists() else ROOT / path for field, path in settings.contracts}
    return settings.model_copy(update={"contracts": ContractsConfig(**places)})


def examine(config: Config, workspace: Workspace) -> Examination:
    """Reads what is new, inspects everything, and changes nothing."""
    from data_contracts.quality import check_data
    from vision.data_report import summarize_data
    from vision.ingest import measured_properties, read_images
    from vision.inspection import inspect_images
    from vision.pixel_store import PixelStore
    from vision.sources import list_images

    store = PixelStore(workspace.prepared, config.prepare)
    found = read_images(list_images(config.data, workspace.data), store)
    images = store.images(found.readable.table["sha256"].tolist())
    inspection = inspect_images(found, images, config=config.quality, seed=config.seed)
    with tempfile.TemporaryDirectory() as folder:
        report = check_data(
            inspection.manifest.table,
            measured_properties(inspection.manifest),
            files=dict(config.contracts),
            policies=config.quality.policies.model_dump(),
            columns=ISSUES,
            docs_folder=Path(folder) / "docs",
        )
    summary = summarize_data(
        inspection.manifest,
        quarantine=report.quarantine,
        out_of_fold_accuracy=inspection.out_of_fold_accuracy,
    )
    return Examination(inspection.manifest, images, report, summary)

"""The data sets of development, as sources; the repository ships none of them."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vision.data_config import DataConfig, TableColumns
from vision.preprocessing import Preprocessing
from vision.quality_config import QualityConfig

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
WEIGHTS = DATA / "weights"


@dataclass(frozen=True)
class DataSet:
    """A named data set, the size at which it is looked at, and how."""

    name: str
    config: DataConfig
    image_size: tuple[int, int]

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing(image_size=self.image_size)


@contextmanager
def data_sets() -> Iterator[list[DataSet]]:
    """Those that are on this machine; CIFAR-10 is unpacked for the time of the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        yield [data_set for data_set in _known(Path(folder)) if data_set is not None]


def _known(folder: Path) -> Iterator[DataSet | None]:
    for name, side in (("grocery", 224), ("flowers", 128)):
        yield _class_folders(name, DATA / name, side)
    if (DATA / "cifar10.zip").exists():
        with zipfile.ZipFile(DATA / "cifar10.zip") as archive:
            archive.extractall(folder / "cifar10")
        yield _class_folders("cifar10", folder / "cifar10", 32)
    table = DATA / "bccd" / "labels.csv"
    if table.exists():
        config = DataConfig(source="table", path=str(table), columns=TableColumns(label="labels"))
        yield DataSet("bccd", config, (224, 224))


def _class_folders(name: str, path: Path, side: int) -> DataSet | None:
    config = DataConfig(source="class_folders", path=str(path))
    return DataSet(name, config, (side, side)) if path.exists() else None


def quality() -> QualityConfig:
    """With a small ImageNet backbone where its weights are, else with the descriptor."""
    weights = WEIGHTS / "mobilenetv2_0.35_224_imagenet_notop.weights.h5"
    if not weights.exists():
        return QualityConfig()
    return QualityConfig(embedding="mobilenet_v2", weights=str(weights), alpha=0.35)

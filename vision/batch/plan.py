"""Which image is in which part: written before anything is predicted, and read by every process.

The images are streamed to one Arrow file, a record batch a part, so that millions take the memory of one
part, and any part is found at once. plan.json comes last: with it, the plan is whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict

from vision.batch.inputs import name_images
from vision.batch.named import NamedImage
from vision.batch.output import OWN, OutputFolder
from vision.batch_config import BatchConfig
from vision.errors import DataError

PLAN = f"{OWN}/plan.json"
IMAGES = f"{OWN}/images.arrow"
SHOWN = ("path", "table", "row")
ANOTHER = "give another folder by --output or config.batch.output, or remove this one"


class BatchModel(BaseModel):
    """The bundle that answers; `version` is None of one that no registry knows, whose name is its folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    name: str
    version: int | None
    digest: str  # hex sha256, of bundle.json

    def __str__(self) -> str:
        named = self.name if self.version is None else f"{self.name} version {self.version}"
        return f"{named} ({self.digest[:12]})"


class Plan(BaseModel):
    """What is in the folder `output`, or will be. `inputs` digests names, sizes and times of all files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: str
    model: BatchModel
    images: int
    inputs: str
    part_images: int
    bytes_column: str

    @property
    def parts(self) -> int:
        return -(-self.images // self.part_images)

    @property
    def folder(self) -> OutputFolder:
        return OutputFolder(self.output)

    def part_name(self, part: int) -> str:
        return f"part-{part:06d}.parquet"

    def missing(self) -> list[int]:
        """The parts that are not written yet."""
        written = self.folder.names()
        return [part for part in range(self.parts) if self.part_name(part) not in written]

    def images_of(self, part: int) -> list[NamedImage]:
        """As named; sizes and times, which only the digest is made of, are 0."""
        import pyarrow as pa

        with self.folder.open(IMAGES) as file:
            columns = pa.ipc.open_file(file).get_batch(part).to_pydict()
        rows = zip(*(columns[name] for name in SHOWN), strict=True)
        return [NamedImage(path, 0, 0, table, row) for path, table, row in rows]


def make_plan(config: BatchConfig, model: BatchModel) -> Plan:
    """The plan of a new folder, or the one that stands there already and is the same.

    DataError where the folder holds anything else: the rows of two lists or two models would mix.
    """
    output = OutputFolder.parse(config.output)
    if not _is_planned(output):
        _refuse_foreign(output)
    with output.held():
        if not _is_planned(output):
            return _write(config, model, output)
        found = Plan.model_validate_json(output.read(PLAN))
        images, inputs = _digest(name_images(config))
        wanted = _plan(config, model, output, images, inputs)
        _refuse_other(found, wanted)
        return found


def _write(config: BatchConfig, model: BatchModel, output: OutputFolder) -> Plan:
    inputs = _Digest()
    with output.writing(IMAGES) as file:
        images = _write_images(file, inputs.over(name_images(config)), config.part_images)
    plan = _plan(config, model, output, images, inputs.text)
    with output.writing(PLAN) as file:
        file.write(plan.model_dump_json(indent=2).encode())
    return plan


def _plan(config: BatchConfig, model: BatchModel, output: OutputFolder, images: int, inputs: str) -> Plan:
    return Plan(
        output=output.url,
        model=model,
        images=images,
        inputs=inputs,
        part_images=config.part_images,
        bytes_column=config.bytes_column,
    )


def _write_images(file: Any, images: Iterator[NamedImage], part_images: int) -> int:
    import pyarrow as pa

    schema = pa.schema([("path", pa.string()), ("table", pa.string()), ("row", pa.int64())])
    count = 0
    with pa.ipc.new_file(file, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        while part := list(islice(images, part_images)):
            columns = {name: [getattr(image, name) for image in part] for name in SHOWN}
            try:
                writer.write_batch(pa.RecordBatch.from_pydict(columns, schema))
            except UnicodeEncodeError as error:  # bytes that are no text, as file systems allow them
                raise DataError(
                    f"file name {error.object!r} cannot be written into a table: rename the file"
                ) from error
            count += len(part)
    return count


class _Digest:
    """Of images in any order: a folder is not always listed in the same. The sum of their sha256."""

    def __init__(self) -> None:
        self._sum = 0
        self.images = 0

    def over(self, images: Iterable[NamedImage]) -> Iterator[NamedImage]:
        for image in images:
            self._sum += int.from_bytes(hashlib.sha256(repr(image).encode()).digest())
            self.images += 1
            yield image

    @property
    def text(self) -> str:
        return f"{self._sum % 2**256:064x}"


def _digest(images: Iterable[NamedImage]) -> tuple[int, str]:
    digest = _Digest()
    for _ in digest.over(images):
        pass
    return digest.images, digest.text


def _is_planned(output: OutputFolder) -> bool:
    return PLAN.rpartition("/")[2] in output.names(OWN)


def _refuse_foreign(output: OutputFolder) -> None:
    others = output.names() - {OWN}
    if others:
        raise DataError(f"{output.url} holds other files ({min(others)}), and no batch: {ANOTHER}")


def _refuse_other(found: Plan, wanted: Plan) -> None:
    """Where the model's folder lies makes no difference: its digest tells what is in it."""
    facts = {
        "model": (str(found.model), str(wanted.model)),
        "number of images": (found.images, wanted.images),
        "list of images (names, sizes, times)": (found.inputs, wanted.inputs),
        "images a part": (found.part_images, wanted.part_images),
        "column of bytes": (found.bytes_column, wanted.bytes_column),
    }
    for name, (before, now) in facts.items():
        if before != now:
            raise DataError(
                f"{found.output} was begun with another {name}: received {now}, there it is {before};"
                f" {ANOTHER}"
            )

"""The folder that a batch is written to, on a disk or in a store: each file whole or not there at all."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from vision.errors import DataError
from vision.file_lock import exclusive
from vision.location import Location

# Readers of parquet folders pass over names that begin so: what is in it is no part of the table.
OWN = "_batch"


@dataclass(frozen=True)
class OutputFolder:
    """`url` is an absolute path, or a URL of fsspec."""

    url: str

    @classmethod
    def parse(cls, text: str) -> OutputFolder:
        return cls(Location.parse(text).url)

    @property
    def is_local(self) -> bool:
        return Location(self.url).is_local

    def join(self, name: str) -> str:
        return f"{self.url}/{name}"

    def names(self, folder: str = "") -> set[str]:
        """Of the files and folders in it, hidden ones left out; none where it does not exist."""
        place = self.join(folder) if folder else self.url
        try:
            found = os.listdir(place) if self.is_local else self._fresh.ls(place, detail=False)  # noqa: PTH208
        except FileNotFoundError:
            return set()
        names = {str(name).rstrip("/").rpartition("/")[2] for name in found}
        return {name for name in names if name and not name.startswith(".")}

    def read(self, name: str) -> bytes:
        return Location(self.url).read(name)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file that takes its name when the block ends, in place of any other; none after an exception.

        Stores show an object when all of it is there; on a disk it is renamed. A process that is killed
        leaves a hidden file at most.
        """
        if self.is_local:
            with _renamed(Path(self.join(name))) as file:
                yield file
            return
        with tempfile.NamedTemporaryFile() as file:
            yield file
            file.flush()
            self._remote.put_file(file.name, self.join(name))

    def open(self, name: str) -> IO[bytes]:
        """For reading here and there in it."""
        place = self.join(name)
        file: IO[bytes] = Path(place).open("rb") if self.is_local else self._fresh.open(place)  # noqa: SIM115
        return file

    def held(self) -> AbstractContextManager[Any]:
        """One writer at a time, and what a killed one left is removed; stores have no lock.

        DataError where another process holds it.
        """
        return self._locked() if self.is_local else nullcontext()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = Path(self.join(OWN)) / ".lock"
        try:
            with exclusive(lock, wait=False):
                for folder in (Path(self.url), lock.parent):
                    for left in folder.glob(".*.unfinished"):
                        left.unlink(missing_ok=True)
                yield
        except BlockingIOError as holder:
            raise DataError(
                f"{self.url} is being written by {holder}: wait for it, or choose another folder with"
                " --output or config.batch.output"
            ) from None

    @property
    def _fresh(self) -> Any:
        """The store without what it remembers: other processes have written since."""
        self._remote.invalidate_cache()
        return self._remote

    @cached_property
    def _remote(self) -> Any:
        from fsspec.core import url_to_fs

        try:
            return url_to_fs(self.url)[0]
        except (ValueError, ImportError) as error:
            raise DataError(
                f'"{self.url}" cannot be written ({error}): allowed are folders and URLs that fsspec knows,'
                " such as s3://bucket/folder; set --output or config.batch.output"
            ) from error


@contextmanager
def _renamed(target: Path) -> Iterator[IO[bytes]]:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}-{uuid.uuid4().hex}.unfinished")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)

"""API keys: who may ask. The file holds names and digests, never a key.

A key is 32 random bytes, so one SHA-256 is enough: slow hashes (scrypt, Argon2) protect secrets that people
choose, which can be guessed; 2^256 keys cannot be tried at any speed.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vision.bundle import write_atomically
from vision.errors import ConfigError
from vision.file_lock import exclusive

logger = logging.getLogger("sightline.keys")

# Tells a person, and scanners for leaked secrets, what the text is.
PREFIX = "sl_"
RANDOM_BYTES = 32
# How often the file's time of change is asked: a key that was removed is refused this much later.
LOOK_SECONDS = 1.0

# Names stand in log lines.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Key(BaseModel):
    """What is kept of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the whole key, hexadecimal")
    created: datetime


class KeyFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[Key, ...] = ()


class Keys:
    """The keys of a file, followed without a restart; a file that is missing or damaged admits nobody."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._look_at = -1.0
        self._seen: object = None
        self._keys: tuple[Key, ...] = ()

    def name_of(self, presented: bytes) -> str | None:
        """The name of the key, in a time that does not depend on which key it is, or how alike; else None."""
        self._follow()
        digest, name = sha256(presented).hexdigest(), None
        for key in self._keys:
            if hmac.compare_digest(digest, key.sha256):
                name = key.name
        return name

    def _follow(self) -> None:
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        seen = _state(self._path)
        if seen != self._seen:
            self._seen = seen
            self._keys = self._read()

    def _read(self) -> tuple[Key, ...]:
        try:
            return read_keys(self._path)
        except ConfigError as error:
            logger.error("every request is refused: %s", error)
            return ()


def _state(path: Path) -> object:
    """Differs where the file may have other content; nobody can set the time of its last change (ctime)."""
    try:
        found = path.stat()
    except OSError as error:
        return type(error)
    return found.st_ctime_ns, found.st_ino, found.st_size


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of the file; ConfigError where it is missing, unreadable or damaged."""
    try:
        return KeyFile.model_validate_json(path.read_bytes()).keys
    except FileNotFoundError:
        raise ConfigError(f"no file of API keys at {path}: `sightline keys add NAME` makes one") from None
    except OSError as error:
        raise ConfigError(f"API keys cannot be read: {error}") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise ConfigError(f"{path} is no file of API keys ({problem}): mend or remove it") from None


def add_key(path: Path, name: str, *, now: datetime) -> str:
    """A new key, which is shown nowhere else; ConfigError for a name that is taken or not allowed."""
    with exclusive(_lock(path)):
        keys = read_keys(path) if path.exists() else ()
        if any(key.name == name for key in keys):
            raise ConfigError(f'a key "{name}" is there already: take another name, or remove it first')
        token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        digest = sha256(token.encode()).hexdigest()
        try:
            key = Key(name=name, sha256=digest, created=now)
        except ValidationError:
            message = f'key name "{name[:80]}": 1 to 64 letters, digits, ".", "_" or "-" are allowed'
            raise ConfigError(message) from None
        _write(path, (*keys, key))
        return token


def remove_key(path: Path, name: str) -> None:
    """ConfigError where there is no key of that name."""
    with exclusive(_lock(path)):
        keys = read_keys(path)
        kept = tuple(key for key in keys if key.name != name)
        if len(kept) == len(keys):
            names = ", ".join(key.name for key in keys) or "no key at all"
            raise ConfigError(f'no key "{name}" in {path}: it has {names}')
        _write(path, kept)


def _lock(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _write(path: Path, keys: tuple[Key, ...]) -> None:
    write_atomically(path, KeyFile(keys=keys).model_dump_json(indent=2) + "\n")

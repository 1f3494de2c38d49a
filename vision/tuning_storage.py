"""Where a search is kept: in SQLite for one host, in PostgreSQL for several, which share its trials.

A password stands in the environment alone: what the YAML says is kept by ZenML and MLflow.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

from vision.errors import ConfigError
from vision.tuning_workers import MOST_ATTEMPTS

VARIABLE = "SIGHTLINE_TUNE_STORAGE"
SHARED = "postgresql+psycopg"
DRIVERS = ("sqlite", SHARED)
WHERE = f"set config.tune.storage, or the variable {VARIABLE} where it holds a password"
# Several workers report at the same time, and SQLite lets one of them write.
SQLITE_TIMEOUT_SECONDS = 60
CONNECT_TIMEOUT_SECONDS = 10  # PostgreSQL's own is that of TCP, two minutes
# A host that was not heard of for so long is dead, and its trials are given to the others.
HEARTBEAT_SECONDS = 15
GRACE_SECONDS = 120


def storage_address(configured: str | None, default: str) -> str:
    """Of the environment where it is set there, else the configured one, else `default`."""
    return os.environ.get(VARIABLE) or configured or default


def refuse_password(address: str) -> None:
    """ConfigError where `address` is no storage, or holds a password."""
    if _passwords(_parse(address)):
        raise ConfigError(
            f"{shown_address(address)} holds a password, which the YAML must not: set the whole address in"
            f" the variable {VARIABLE}, or leave the password to PostgreSQL's PGPASSFILE"
        )


def is_shared(address: str) -> bool:
    """Whether several hosts may search in it at the same time."""
    return _parse(address).drivername == SHARED


def shown_address(address: str) -> str:
    """For messages: without what may be a secret."""
    url = _parse(address)
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def open_storage(address: str) -> Iterator[RDBStorage]:
    """Optuna's storage, with its tables; ConfigError where the database cannot be used.

    A shared one has heartbeats. A trial that died is put into the queue again, MOST_ATTEMPTS - 1 times.
    """
    beats = {"heartbeat_interval": HEARTBEAT_SECONDS, "grace_period": GRACE_SECONDS}
    try:
        # Hosts that start together would make the tables together.
        with alone(address, "sightline tables"), as_meant():
            storage = RDBStorage(
                address,
                engine_kwargs={"connect_args": _connect_args(address), "pool_pre_ping": True},
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=MOST_ATTEMPTS - 1),
                **(beats if is_shared(address) else {}),
            )
    except (sa.exc.SQLAlchemyError, RuntimeError) as error:  # RuntimeError: tables of another Optuna
        raise _failed(address, error) from None
    try:
        yield storage
    finally:
        storage.engine.dispose()


@contextmanager
def alone(address: str, name: str) -> Iterator[None]:
    """No other host is inside at the same time with the same name; a host that dies inside lets go.

    Nothing is held in SQLite, in which one search runs at a time. ConfigError where PostgreSQL fails.
    """
    if not is_shared(address):
        yield
        return
    engine = sa.create_engine(address, poolclass=sa.NullPool, connect_args=_connect_args(address))
    lock = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    try:
        with engine.begin() as connection:
            connection.execute(lock, {"name": name})
            yield
    except sa.exc.DBAPIError as error:
        raise _failed(address, error) from None


@contextmanager
def as_meant() -> Iterator[None]:
    """Without Optuna's warnings that heartbeats are experimental, and that somebody has to make them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed to be used with")
        yield


def _parse(address: str) -> sa.URL:
    try:
        url = sa.make_url(address)
    except (sa.exc.ArgumentError, ValueError):  # the text is not told: it may hold a password
        raise ConfigError(f"the search's storage is no address; {_allowed()}") from None
    if url.drivername not in DRIVERS:
        raise ConfigError(f'the search cannot be kept in "{url.drivername}"; {_allowed()}')
    return url


def _allowed() -> str:
    return f"allowed are {SHARED}://USER@HOST/DATABASE and sqlite:////FOLDER/FILE; {WHERE}"


def _connect_args(address: str) -> dict[str, int]:
    if not is_shared(address):
        return {"timeout": SQLITE_TIMEOUT_SECONDS}
    has_own = "connect_timeout" in _parse(address).query
    return {} if has_own else {"connect_timeout": CONNECT_TIMEOUT_SECONDS}


def _passwords(url: sa.URL) -> list[str]:
    queried = [str(value) for name, value in url.query.items() if "password" in name]
    return [*([str(url.password)] if url.password else []), *queried]


def _failed(address: str, error: Exception) -> ConfigError:
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    for password in _passwords(_parse(address)):
        reason = reason.replace(password, "***")
    return ConfigError(
        f"the search's storage {shown_address(address)} failed: {reason}; {WHERE}, or start the database and"
        " then the same command again: the search goes on"
    )

"""ZenML's and MLflow's databases: whole, free to write, and of a schema that the installed version knows.

Asked of SQLite itself: ZenML takes 2 s to import, MLflow 1.5 s, and both would migrate what they open.
"""

from __future__ import annotations

import importlib.util
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from infra.doctor.check import Check, Surroundings, fail, ok, warn

SECONDS_FOR_LOCK = 0.2
# SQLite reads 256 MB in about a second; of a larger store only schema and lock are looked at.
LARGEST_TO_READ = 256e6


@dataclass(frozen=True)
class Owner:
    """The package whose store it is; its Alembic migrations are files named after their revision."""

    package: str
    migrations: str

    def knows(self, revision: str) -> bool:
        """True too where the package is missing: another check says so."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return True
        folder = Path(spec.submodule_search_locations[0]) / self.migrations
        return not folder.is_dir() or any(folder.glob(f"{revision}_*.py"))


ZENML = Owner("zenml", "zen_stores/migrations/versions")
MLFLOW = Owner("mlflow", "store/db_migrations/versions")


def zenml_store(surroundings: Surroundings) -> Check:
    """Where ZenML's own config.yaml says that it is, else where ZenML would make it."""
    import yaml

    home = surroundings.environment.get("ZENML_CONFIG_PATH")
    folder = Path(home) if home else surroundings.workspace / "zenml"
    default = folder / "local_stores/default_zen_store/zenml.db"
    settings = folder / "config.yaml"
    try:
        document = yaml.safe_load(settings.read_text()) if settings.is_file() else {}
    except yaml.YAMLError:
        return fail("zenml_store", f"{settings} is not YAML", f"mv {settings} {settings}.old")
    configured = ((document or {}).get("store") or {}).get("url") or f"sqlite:///{default}"
    url = surroundings.environment.get("ZENML_STORE_URL") or configured
    if url.startswith("sqlite:///") and _path(url) != default and not _path(url).exists():
        found = f"{settings} names a store that is gone, {_path(url)}: was the workspace moved?"
        return fail("zenml_store", found, f"mv {settings} {settings}.old: ZenML then takes {default}")
    return _examine("zenml_store", url, ZENML)


def mlflow_store(surroundings: Surroundings) -> Check:
    """Runs, registered models and the ledger."""
    default = f"sqlite:///{surroundings.workspace / 'mlflow.db'}"
    return _examine("mlflow_store", surroundings.environment.get("MLFLOW_TRACKING_URI") or default, MLFLOW)


def _examine(name: str, url: str, owner: Owner) -> Check:
    if not url.startswith("sqlite:///"):
        return ok(name, f"at {urlsplit(url).hostname or url}, not asked")
    path = _path(url)
    if not path.exists():
        return ok(name, f"none yet: the first training makes {path}")
    away = f"restore it from a backup, or start anew: mv {path} {path}.old"
    try:
        revision = _open(path)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            fix = "wait for the training that writes it; if none runs, `lsof` on the file names the holder"
            return warn(name, f"{path} is locked by another process", fix)
        return fail(name, f"{path}: {error}", f"make it yours to read and write, or {away}")
    except sqlite3.DatabaseError as error:
        return fail(name, f"{path} is damaged: {error}", away)
    if revision and not owner.knows(revision):
        found = f"{path} has schema {revision}, which the installed {owner.package} does not know"
        return fail(name, found, f"install the {owner.package} that wrote it, or {away}")
    return ok(name, f"{path}, schema {revision or 'none yet'}")


def _open(path: Path) -> str:
    """The schema's revision, "" where there is none; sqlite3.DatabaseError where it cannot be used."""
    address = f"file:{quote(str(path))}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=SECONDS_FOR_LOCK, isolation_level=None)) as store:
        if path.stat().st_size < LARGEST_TO_READ:
            (answer,) = store.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise sqlite3.DatabaseError(answer)
        store.execute("BEGIN IMMEDIATE")  # the writer's lock, given back at once
        store.execute("ROLLBACK")
        if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return ""
        row = store.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else ""


def _path(url: str) -> Path:
    """Of sqlite:///relative and sqlite:////absolute, as SQLAlchemy has it."""
    return Path(url.removeprefix("sqlite:///"))

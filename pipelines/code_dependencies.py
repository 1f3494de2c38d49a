"""A cache that follows the code: a change in the domain is a change of every step that calls it.

ZenML looks at a step's own source alone, and steps here are thin; without this a mended
preprocessing would go on serving old arrays (zenml#1446 is such a confusion).
"""

from __future__ import annotations

from pathlib import Path

from zenml.config import CachePolicy

ROOT = Path(__file__).resolve().parent.parent
CODE = ("vision", "models", "data_contracts")


def follow_code() -> CachePolicy:
    """A cache policy under which every Python file of the domain is part of a step's key."""
    files = (path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py")))
    return CachePolicy(file_dependencies=[str(path.relative_to(ROOT)) for path in files])

"""How many processors this process may use: in a container, or where it is pinned, not all that there are."""

from __future__ import annotations

from functools import cache


@cache
def usable_processors() -> int:
    """1 or more. Limits of control groups are rounded up; LOKY_MAX_CPU_COUNT lowers it."""
    from joblib import cpu_count  # a tenth of a second

    return int(cpu_count())

"""The processors that a process may use, not those that the machine has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

QUESTION = "from vision.processors import usable_processors; print(usable_processors())"


def ask(question: str = QUESTION, **variables: str) -> int:
    return int(subprocess.check_output([sys.executable, "-c", question], env={**os.environ, **variables}))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux pins processes")
def test_a_pinned_process_has_the_processors_that_it_is_pinned_to() -> None:
    assert ask(f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {QUESTION}") == 1


def test_a_limit_counts() -> None:
    assert ask(LOKY_MAX_CPU_COUNT="1") == 1

"""Puts what was measured into BENCHMARKS.md, each section between its own markers."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "BENCHMARKS.md"
NO_GPU = "no GPU used"


def write_section(name: str, text: str, *, device: str = NO_GPU) -> None:
    """Replaces the section `name` by the text, the machine's shape and the date."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    page = BENCHMARKS.read_text()
    if begin not in page or end not in page:
        raise SystemExit(f"{BENCHMARKS} has no section {begin} ... {end}")
    section = f"{begin}\n{text.strip()}\n\n{machine(device)}\n{end}"
    print(section)
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    BENCHMARKS.write_text(re.sub(pattern, lambda _: section, page, flags=re.DOTALL))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def machine(device: str = NO_GPU) -> str:
    """One line: processor, cores, memory, accelerator, Python, date."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"_{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GiB, {device},"
        f" Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}._"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        text = information.read_text()
        found = re.search(r"model name\s*: (.*)", text)
        if found:
            return found[1].strip() + (" with AMX" if "amx_bf16" in text else "")
    return platform.processor() or platform.machine()

"""What README and docs name exists: make targets, verbs, files, keys of the configuration."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.site.generated import GENERATED

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "BENCHMARKS.md", *sorted((ROOT / "docs").rglob("*.md"))]
MADE = {ROOT / "docs" / name for name in GENERATED}  # of the code, when the site is built
# A name that only a run makes, or an example of the reader's own.
ELSEWHERE = {"workspace", "photos"}


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request):
    return request.param


def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    paths = [(page.parent / target).resolve() for target in targets]
    missing = [path for path in paths if not path.exists() and path not in MADE]
    assert missing == []


def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", page.read_text()))
    named |= set(re.findall(r"^make ([a-z-]+)", page.read_text(), flags=re.MULTILINE))
    assert named <= targets


def test_verbs_of_the_command_exist(page):
    named = set(re.findall(r"(?:^|`)sightline ([a-z]+)", page.read_text(), flags=re.MULTILINE))
    for verb in named:
        help_page = subprocess.run(
            [Path(sys.executable).parent / "sightline", verb, "--help"], capture_output=True, check=False
        )
        assert help_page.returncode == 0, verb


def test_benchmarks_named_exist(page):
    from benchmarks.__main__ import BENCHMARKS

    assert set(re.findall(r"python -m benchmarks ([a-z0-9_]+)", page.read_text())) <= set(BENCHMARKS)


def test_files_named_exist(page):
    named = re.findall(r"`([a-z_]+/[a-z_./]*)`", page.read_text())
    missing = [name for name in named if name.split("/")[0] not in ELSEWHERE and not list(ROOT.glob(name))]
    assert [name for name in missing if not _is_example(page, name)] == []


def _is_example(page, name):
    """Files that the page tells the reader to make, and folders inside the workspace."""
    return name.startswith(("configs/photos", "train/", "val", "test/", "env/")) or page.name in (
        "operation.md",
    )


def test_every_benchmark_section_has_its_markers():
    text = (ROOT / "BENCHMARKS.md").read_text()
    sections = re.findall(r'write_section\("([a-z-]+)"', "".join(
        path.read_text() for path in (ROOT / "benchmarks").glob("*.py")
    ))  # fmt: skip
    assert sections
    for name in sections:
        assert text.count(f"<!-- {name} -->") == text.count(f"<!-- /{name} -->") == 1

"""Bundles: whole or not at all, every hash checked."""

import json
import os
import signal
import subprocess
import sys

import pytest

from vision.bundle import DESCRIPTION, atomic_folder, open_bundle, seal, write_atomically
from vision.errors import BundleError


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    (folder / "inside").mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "inside" / "more").write_text("more")
    seal(folder, {"runtime": "litert"})
    return folder


def test_open_bundle_gives_what_was_sealed(bundle):
    description = open_bundle(bundle)
    assert description["runtime"] == "litert"
    assert set(description["files"]) == {"model.bin", "inside/more"}


def test_seal_gives_the_same_digest_for_the_same_content(bundle, tmp_path):
    first = seal(bundle, {"runtime": "litert"})
    assert first == seal(bundle, {"runtime": "litert"})
    assert first != seal(bundle, {"runtime": "openvino"})


def test_open_bundle_refuses_an_altered_file(bundle):
    (bundle / "model.bin").write_bytes(b"Weights")
    with pytest.raises(BundleError, match=r"model\.bin has sha256 .* expected"):
        open_bundle(bundle)


def test_open_bundle_refuses_a_missing_file(bundle):
    (bundle / "inside" / "more").unlink()
    with pytest.raises(BundleError, match="lacks inside/more"):
        open_bundle(bundle)


def test_open_bundle_refuses_a_newer_schema(bundle):
    description = json.loads((bundle / DESCRIPTION).read_text())
    (bundle / DESCRIPTION).write_text(json.dumps(description | {"schema_version": 2}))
    with pytest.raises(BundleError, match="schema version 2"):
        open_bundle(bundle)


def test_open_bundle_refuses_files_outside_it(bundle):
    description = json.loads((bundle / DESCRIPTION).read_text())
    description["files"] = {"../../etc/passwd": "0" * 64}
    (bundle / DESCRIPTION).write_text(json.dumps(description))
    with pytest.raises(BundleError, match="outside the bundle"):
        open_bundle(bundle)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1}', "not json"])
def test_open_bundle_refuses_what_is_no_description(bundle, text):
    (bundle / DESCRIPTION).write_text(text)
    with pytest.raises(BundleError, match="not a bundle's description"):
        open_bundle(bundle)


def test_open_bundle_of_an_empty_folder(tmp_path):
    with pytest.raises(BundleError, match="no bundle at"):
        open_bundle(tmp_path)


def test_atomic_folder_leaves_nothing_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "target") as folder:
        (folder / "half").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_atomic_folder_replaces_the_whole_of_the_old_one(tmp_path):
    for name in ("old", "new"):
        with atomic_folder(tmp_path / "target") as folder:
            (folder / name).write_text(name)
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["new"]


def test_atomic_folder_removes_what_a_killed_writer_left(tmp_path):
    target = tmp_path / "target"
    program = (
        "import os, sys; from pathlib import Path; from vision.bundle import atomic_folder\n"
        "with atomic_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('half'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", program, target], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name.startswith(".target-") for path in tmp_path.iterdir()] == [True]
    with atomic_folder(target) as folder:
        (folder / "whole").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_atomic_folder_leaves_another_writers_folder_alone(tmp_path):
    with atomic_folder(tmp_path / "target") as first:
        with atomic_folder(tmp_path / "target") as second:
            assert first.is_dir() and second.is_dir()
        (first / "last").write_text("last")
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["last"]


def test_write_atomically_keeps_the_usual_mode(tmp_path):
    """Not that of tempfile, 0600: a service of another user reads these files."""
    old = os.umask(0o022)
    try:
        write_atomically(tmp_path / "file", "text")
    finally:
        os.umask(old)
    assert (tmp_path / "file").read_text() == "text"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644

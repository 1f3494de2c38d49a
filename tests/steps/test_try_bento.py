"""Whose Bento is built and tried: the candidate's before it is champion, else nobody's is tried."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

import steps.build_bento
import steps.try_bento
from registry.pointer import ChampionPointer, bundle_path
from registry.workspace import Workspace
from serving.bento import build, trial
from vision.manifest import Manifest
from vision.promotion.blessing import Blessing

PROMOTE, REJECT = SimpleNamespace(action="promote"), SimpleNamespace(action="reject")
BLESSED = Blessing(given=True, asked=3, ready_seconds=1.5, p50_ms=2.0, megabytes=100.0)


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    return Workspace.from_environment()


@pytest.fixture
def tagged(monkeypatch) -> dict[int, str]:
    """Tags by version, as the registry is told; the built Bento has the name of its bundle."""
    tags: dict[int, str] = {}
    monkeypatch.setattr(build, "build_bento", lambda bundle, **parts: f"{bundle.name}:{parts['version']}")
    tag = lambda workspace, name, version, bento_tag: tags.update({version: bento_tag})  # noqa: E731
    monkeypatch.setattr(steps.build_bento, "tag_version", tag)
    return tags


@pytest.mark.parametrize(
    ("decision", "champion", "tag"),
    [(PROMOTE, 1, "2:2"), (PROMOTE, None, "2:2"), (REJECT, 1, "1:1"), (REJECT, None, "")],
)
def test_the_bento_is_that_of_whom_the_gate_promotes(
    workspace, tagged, monkeypatch, decision, champion, tag
) -> None:
    pointer = champion and ChampionPointer("digits", champion, "d" * 64)
    monkeypatch.setattr(steps.build_bento, "find_champion", lambda workspace, name: pointer)

    assert steps.build_bento.build_bento.entrypoint(decision, 2, "digits") == tag
    assert tagged == ({int(tag[0]): tag} if tag else {})


@pytest.fixture
def asked(monkeypatch) -> list[dict]:
    """With what the trial was called; it blesses everything."""
    calls: list[dict] = []
    answer = lambda tag, **parts: calls.append({"tag": tag, **parts}) or BLESSED  # noqa: E731
    monkeypatch.setattr(trial, "try_bento", answer)
    monkeypatch.setattr(steps.try_bento, "log_metadata", calls.append)
    return calls


def make_manifest(folder) -> Manifest:
    splits = ["train", "validation", "test"]
    for split in splits:
        (folder / split).write_text(split)
    return Manifest(str(folder), pd.DataFrame({"path": splits, "split": splits}))


def test_the_candidate_is_tried_on_validation_images(workspace, asked) -> None:
    manifest = make_manifest(workspace.root)

    blessing = steps.try_bento.try_bento.entrypoint("digits:2", PROMOTE, 2, manifest, "digits")

    (call, logged) = asked
    assert blessing == BLESSED
    assert (call["tag"], call["bundle"]) == ("digits:2", bundle_path(workspace, "digits", 2))
    assert (call["images"], call["bento_home"]) == ({"validation": b"validation"}, workspace.bentoml)
    assert logged == BLESSED.model_dump(mode="json")


def test_nobody_is_tried_whom_the_gate_does_not_promote(workspace, asked) -> None:
    blessing = steps.try_bento.try_bento.entrypoint("digits:1", REJECT, 2, None, "digits")

    assert not blessing.given
    assert blessing.reasons == ("not tried: the gate does not promote version 2",)
    assert asked == []

"""`sightline monitor` and `sightline retrain`, with pipelines that are stood in for."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from cli.main import run
from registry import champion, monitoring
from registry.drift_look import Look
from registry.monitoring import read_retrainings, record_look, retraining_due, training_lock
from tests.registry.conftest import MODEL
from vision.operation_config import RetrainConfig

NOW = datetime.now(UTC)


@pytest.fixture
def pipeline(workspace, monkeypatch):
    """What the pipelines were told; the look finds `verdict`, a training does `meanwhile`."""
    world = SimpleNamespace(verdict="drift", trained=[], configs=[], meanwhile=lambda: None)

    def look():
        found = Look(
            model=MODEL,
            version=1,
            digest="d",
            since=NOW,
            until=NOW,
            verdict=world.verdict,
            reasons=("darker",),
        )
        record_look(workspace, found, retraining_due(workspace, found, RetrainConfig(), now=NOW))

    def train(reason):
        world.trained.append(reason)
        world.meanwhile()

    def standing_in(action):
        def with_options(config_path):
            world.configs.append(config_path)
            return action

        return SimpleNamespace(with_options=with_options)

    # Not the pipelines themselves: importing them opens ZenML's store.
    for name, action in (("monitoring", look), ("retraining", train)):
        module = SimpleNamespace(**{name: standing_in(action)})
        monkeypatch.setitem(sys.modules, f"pipelines.{name}", module)
    monkeypatch.setattr(monitoring, "last_registered", lambda *_: None)
    return world


def test_drift_starts_a_retraining_once(pipeline, config, workspace, capsys):
    assert run(["monitor", "--config", config, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert run(["monitor", "--config", config, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)

    assert pipeline.trained == ["drift: darker"] and pipeline.configs == [config] * 3
    assert (document["verdict"], document["retraining"]) == ("drift", "done; drift: darker")
    assert again["retraining"].startswith("none; drift: darker; not before")
    assert [(row.reason, row.trigger) for row in read_retrainings(workspace, MODEL)] == [
        ("drift: darker", "drift")
    ]


def test_without_drift_nothing_is_trained(pipeline, config, capsys):
    pipeline.verdict = "no drift"

    assert run(["monitor", "--config", config]) == 0

    assert not pipeline.trained
    assert "none; no drift was found; 0 of 100 images" in capsys.readouterr().out


def test_no_retraining_beside_a_training(pipeline, config, workspace, capsys):
    with training_lock(workspace):
        assert run(["monitor", "--config", config, "--json"]) == 0
        assert run(["retrain", "--config", config]) == 1

    said = capsys.readouterr()
    assert not pipeline.trained and not read_retrainings(workspace, MODEL)
    assert json.loads(said.out)["retraining"].startswith("none; a training is running (process")
    assert "sightline: a training is running" in said.err


def test_two_monitors_at_once_start_one(pipeline, config, capsys):
    pipeline.meanwhile = lambda: run(["monitor", "--config", config, "--json"])

    assert run(["monitor", "--config", config, "--json"]) == 0

    assert pipeline.trained == ["drift: darker"]


def test_a_look_that_was_overtaken_starts_none(pipeline, config, workspace, monkeypatch, capsys):
    """Both found the same; the other has trained before this one gets the lock."""
    real = monitoring.training_lock

    def late(workspace):
        monkeypatch.setattr(monitoring, "training_lock", real)
        run(["monitor", "--config", config, "--json"])
        return real(workspace)

    monkeypatch.setattr(monitoring, "training_lock", late)

    assert run(["monitor", "--config", config, "--json"]) == 0

    assert pipeline.trained == ["drift: darker"]


def test_a_retraining_that_fails_is_not_tried_again_at_once(pipeline, config, workspace, capsys):
    def fail():
        raise OSError("no space left on device")

    pipeline.meanwhile = fail
    assert run(["monitor", "--config", config]) == 1
    assert run(["monitor", "--config", config]) == 0

    assert len(pipeline.trained) == 1 and "no space left" in capsys.readouterr().err


def test_retrain_says_why_and_who_serves_then(pipeline, config, workspace, register, capsys):
    register(0.01)
    pipeline.meanwhile = lambda: champion.promote(workspace, MODEL, 1, who="gate", why="better")

    assert run(["retrain", "--reason", "new roses", "--config", config, "--json"]) == 0

    assert pipeline.trained == ["new roses"]
    assert json.loads(capsys.readouterr().out)["version"] == 1
    assert [row.trigger for row in read_retrainings(workspace, MODEL)] == [None]

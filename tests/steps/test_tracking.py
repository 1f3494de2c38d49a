"""Runs in MLflow: ended as they ended, orphans of killed processes included."""

import socket
import subprocess
import sys

import pytest

from registry.workspace import Workspace
from steps.tracking import OWNER_TAG, Tracker


@pytest.fixture(scope="module")
def tracker(tmp_path_factory):
    return Tracker.open(Workspace(tmp_path_factory.mktemp("workspace")), "digits")


def status_of(tracker, run):
    return tracker.client.get_run(run.run_id).info.status


def test_run_is_finished_when_the_block_ends_well(tracker):
    with tracker.run("train", tags={"kind": "test"}) as run:
        run.log_parameters({"model": {"name": "residual"}, "seed": 1})
        run.log_metrics({"loss": 0.5}, step=3)
    found = tracker.client.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"model.name": "residual", "seed": "1"}
    assert tracker.client.get_metric_history(run.run_id, "loss")[0].step == 3


def test_run_is_failed_when_the_block_raises(tracker):
    with pytest.raises(ZeroDivisionError), tracker.run("train", tags={}) as run:
        raise ZeroDivisionError
    assert status_of(tracker, run) == "FAILED"


def test_runs_nest_under_the_given_parent(tracker):
    with tracker.run("tune", tags={}) as parent, tracker.run("trial", tags={}, parent=parent.run_id) as trial:
        pass
    assert tracker.client.get_run(trial.run_id).data.tags["mlflow.parentRunId"] == parent.run_id
    assert status_of(tracker, parent) == status_of(tracker, trial) == "FINISHED"


def test_a_run_whose_process_is_gone_is_killed_by_the_next_one(tracker):
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
    owner = f"{socket.gethostname()}:{int(process.stdout)}"
    orphan = tracker.client.create_run(tracker.experiment_id, tags={OWNER_TAG: owner})
    foreign = tracker.client.create_run(tracker.experiment_id, tags={OWNER_TAG: "elsewhere:1"})
    with tracker.run("train", tags={}):
        pass
    assert tracker.client.get_run(orphan.info.run_id).info.status == "KILLED"
    assert tracker.client.get_run(foreign.info.run_id).info.status == "RUNNING"


def test_artifacts_lie_in_the_workspace(tmp_path):
    workspace = Workspace(tmp_path)
    tracker = Tracker.open(workspace, "roses")
    with tracker.run("train", tags={}) as run:
        run.log_text("<p>report</p>", "report.html")
    assert list(workspace.mlflow_artifacts.rglob("report.html"))
    assert Tracker.open(workspace, "roses").experiment_id == tracker.experiment_id

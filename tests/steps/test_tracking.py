"""Runs in MLflow: ended as they ended, orphans of killed processes included."""

import socket
import subprocess
import sys
import threading
import time

import pytest

from registry.workspace import Workspace
from steps import tracking
from steps.tracking import MAX_METRICS, MAX_PARAMETERS, OWNER_TAG, Tracker, tensorboard_callback
from vision.errors import ConfigError


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


def test_run_can_be_told_how_it_ends(tracker):
    """A search logs a trial that failed after it is over."""
    with tracker.run("trial 1", tags={"sightline.trial": "fail"}, status="FAILED") as failed:
        pass
    assert status_of(tracker, failed) == "FAILED"
    assert tracker.client.get_run(failed.run_id).data.tags["sightline.trial"] == "fail"


def test_more_values_than_a_batch_holds_are_all_logged(tracker):
    with tracker.run("train", tags={}) as run:
        run.log_parameters({f"p{number}": "x" * 7000 for number in range(MAX_PARAMETERS + 1)})
        run.log_metrics({f"m{number}": number for number in range(MAX_METRICS + 1)}, step=2)
        run.log_parameters({})
    data = tracker.client.get_run(run.run_id).data
    assert (len(data.params), len(data.metrics)) == (MAX_PARAMETERS + 1, MAX_METRICS + 1)
    assert data.params["p0"] == "x" * 6000


def test_values_go_in_one_call(tracker, monkeypatch):
    calls = []
    monkeypatch.setattr(
        type(tracker.client), "log_batch", lambda client, run_id, **batch: calls.append(batch)
    )
    with tracker.run("train", tags={}) as run:
        run.log_parameters({"model": {"name": "residual", "options": {"filters": 8}}, "seed": 1})
        run.log_metrics({"loss": 0.5, "val_loss": 0.7})
    assert [len(batch.get("params", ())) for batch in calls] == [3, 0]
    assert [len(batch.get("metrics", ())) for batch in calls] == [0, 2]


def test_curve_has_a_value_a_step(tracker):
    with tracker.run("trial 1", tags={}) as run:
        run.log_curve("val_accuracy", [0.5, 0.75])
    history = tracker.client.get_metric_history(run.run_id, "val_accuracy")
    assert [(point.step, point.value) for point in history] == [(0, 0.5), (1, 0.75)]


def test_artifact_lies_in_its_folder(tracker, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"weights")
    with tracker.run("train", tags={}) as run:
        run.log_artifact(tmp_path / "model.keras", "model")
    (found,) = tracker.client.list_artifacts(run.run_id, "model")
    assert (found.path, found.file_size) == ("model/model.keras", 7)


def test_system_metrics_are_sampled_while_the_block_runs(tracker, monkeypatch):
    monkeypatch.setattr(tracking, "SECONDS_BETWEEN_SAMPLES", 0.1)
    with tracker.run("train", tags={}) as run, run.system_metrics():
        time.sleep(0.5)
    metrics = tracker.client.get_run(run.run_id).data.metrics
    for name in ("cpu_utilization_percentage", "system_memory_usage_percentage", "disk_usage_percentage"):
        assert 0 <= metrics[f"system/{name}"] <= 100
    assert not [thread for thread in threading.enumerate() if thread.name == "SystemMetricsMonitor"]


def test_system_metrics_end_with_a_block_that_raises(tracker):
    with pytest.raises(ZeroDivisionError), tracker.run("train", tags={}) as run, run.system_metrics():
        raise ZeroDivisionError
    assert status_of(tracker, run) == "FAILED"
    assert not [thread for thread in threading.enumerate() if thread.name == "SystemMetricsMonitor"]


def test_tensorboard_that_is_not_installed_is_a_mistake_of_the_configuration(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"config\.track\.tensorboard .* not installed"):
        tensorboard_callback(tmp_path)

"""MLflow's tracking, and nothing else in Sightline that speaks to it.

Runs are named by id and written through the client: no global active run, so a step that dies leaves no
run open in the next one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from registry.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient

OWNER_TAG = "sightline.process"
MAX_PARAMETER_LENGTH = 6000  # MLflow's own limit


@dataclass(frozen=True)
class Tracker:
    """One experiment on one tracking server."""

    client: MlflowClient
    experiment_id: str

    @classmethod
    def open(cls, workspace: Workspace, experiment: str) -> Tracker:
        """The experiment of that name, made where there is none; its artifacts lie in the workspace."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=workspace.database)
        found = client.get_experiment_by_name(experiment)
        if found is not None:
            return cls(client, found.experiment_id)
        location = (workspace.mlflow_artifacts / experiment).as_uri()
        return cls(client, client.create_experiment(experiment, artifact_location=location))

    @contextmanager
    def run(self, name: str, *, tags: Mapping[str, str], parent: str | None = None) -> Iterator[TrackedRun]:
        """A new run, FINISHED when the block ends well and FAILED when it raises."""
        self._end_orphans()
        parent_tag = {"mlflow.parentRunId": parent} if parent else {}
        created = self.client.create_run(
            self.experiment_id, run_name=name, tags={**tags, **parent_tag, OWNER_TAG: _this_process()}
        )
        status = "FAILED"
        try:
            yield TrackedRun(self.client, created.info.run_id)
            status = "FINISHED"
        finally:
            self.client.set_terminated(created.info.run_id, status)

    def resume(self, run_id: str) -> TrackedRun:
        """An ended run, to which later steps add their results."""
        return TrackedRun(self.client, run_id)

    def _end_orphans(self) -> None:
        """Marks runs as KILLED whose process, on this host, is gone."""
        running = self.client.search_runs([self.experiment_id], "attributes.status = 'RUNNING'")
        for run in running:
            host, _, pid = run.data.tags.get(OWNER_TAG, "").rpartition(":")
            if host == socket.gethostname() and not psutil.pid_exists(int(pid)):
                self.client.set_terminated(run.info.run_id, "KILLED")


@dataclass(frozen=True)
class TrackedRun:
    """One run of the experiment."""

    client: MlflowClient
    run_id: str

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Nested values under dotted names."""
        for name, value in _flatten(parameters):
            self.client.log_param(self.run_id, name, str(value)[:MAX_PARAMETER_LENGTH])

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        for name, value in metrics.items():
            self.client.log_metric(self.run_id, name, float(value), step=step)

    def log_text(self, text: str, path: str) -> None:
        self.client.log_text(self.run_id, text, path)


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

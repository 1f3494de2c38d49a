"""MLflow's tracking, and nothing else in Sightline that speaks to it.

Runs are named by id and written through the client: no global active run, so a step that dies leaves no
run open in the next one. Values go in batches: MLflow takes some milliseconds for each call.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from registry.workspace import Workspace
from vision.errors import ConfigError

if TYPE_CHECKING:
    import keras
    from mlflow import MlflowClient
    from mlflow.entities import Metric

OWNER_TAG = "sightline.process"
# MLflow's own limits: characters of a value, and values of a batch (mlflow.utils.validation).
MAX_PARAMETER_LENGTH = 6000
MAX_PARAMETERS, MAX_METRICS = 100, 1000
SECONDS_BETWEEN_SAMPLES = 10.0


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
    def run(
        self, name: str, *, tags: Mapping[str, str], parent: str | None = None, status: str = "FINISHED"
    ) -> Iterator[TrackedRun]:
        """A new run, of that `status` when the block ends well and FAILED when it raises."""
        self._end_orphans()
        parent_tag = {"mlflow.parentRunId": parent} if parent else {}
        created = self.client.create_run(
            self.experiment_id, run_name=name, tags={**tags, **parent_tag, OWNER_TAG: _this_process()}
        )
        ended = "FAILED"
        try:
            yield TrackedRun(self.client, created.info.run_id)
            ended = status
        finally:
            self.client.set_terminated(created.info.run_id, ended)

    def lasting_run(self, name: str) -> TrackedRun:
        """The run of that name, made where there is none: for what comes point by point, for weeks."""
        found = self.client.search_runs(
            [self.experiment_id], f"attributes.run_name = '{name}'", max_results=1
        )
        if found:
            return self.resume(found[0].info.run_id)
        with self.run(name, tags={}) as run:
            return run

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
        from mlflow.entities import Param

        params = [Param(name, str(value)[:MAX_PARAMETER_LENGTH]) for name, value in _flatten(parameters)]
        for start in range(0, len(params), MAX_PARAMETERS):
            self.client.log_batch(self.run_id, params=params[start : start + MAX_PARAMETERS])

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        self._log([_metric(name, value, step) for name, value in metrics.items()])

    def log_curve(self, name: str, values: Sequence[float]) -> None:
        """One value a step, from 0."""
        self._log([_metric(name, value, step) for step, value in enumerate(values)])

    def log_text(self, text: str, path: str) -> None:
        self.client.log_text(self.run_id, text, path)

    def log_artifact(self, path: Path, folder: str) -> None:
        """A copy of the file, in that folder of the run's artifacts."""
        self.client.log_artifact(self.run_id, str(path), folder)

    @contextmanager
    def system_metrics(self) -> Iterator[None]:
        """Use of processor, memory, disk, network and GPU while the block runs, as system/ metrics.

        GPUs of NVIDIA are seen where nvidia-ml-py is installed. A block shorter than
        SECONDS_BETWEEN_SAMPLES leaves none.
        """
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(
            self.run_id, sampling_interval=SECONDS_BETWEEN_SAMPLES, tracking_uri=self.client.tracking_uri
        )
        monitor.start()
        try:
            yield
        finally:
            monitor.finish()

    def _log(self, metrics: list[Metric]) -> None:
        for start in range(0, len(metrics), MAX_METRICS):
            self.client.log_batch(self.run_id, metrics=metrics[start : start + MAX_METRICS])


def tensorboard_callback(folder: Path) -> keras.callbacks.Callback:
    """Writes the curves of a training below `folder`; ConfigError where TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise ConfigError(
            "config.track.tensorboard is true, but the package tensorboard is not installed: run"
            " `uv pip install tensorboard`, or set config.track.tensorboard to false"
        )
    import keras

    # Without the graph: that of the trainer, with its augmentation, cannot be described.
    return keras.callbacks.TensorBoard(str(folder), write_graph=False)


def _metric(name: str, value: float, step: int) -> Metric:
    from mlflow.entities import Metric

    return Metric(name, float(value), int(time.time() * 1000), step)


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

"""`sightline schedule --stack` with a fake stack: what ZenML is asked for, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines import schedules
from vision.errors import ConfigError
from vision.operation_config import ScheduleConfig

ROOT = Path(__file__).parents[2]
LINES = {"training": "30 2 * * *", "monitoring": "0 * * * mon,tue"}


@dataclass
class FakeClient:
    """As much of zenml.client.Client as a schedule asks for."""

    flavor: str = "kubernetes"
    is_schedulable: bool = True
    deletes: bool = True
    names: list[str] = field(default_factory=list)  # of the schedules that are there
    runs: list[tuple[str, str, str | None]] = field(default_factory=list)  # pipeline, schedule, cron line

    @property
    def active_stack(self) -> SimpleNamespace:
        config = SimpleNamespace(is_schedulable=self.is_schedulable)
        orchestrator = SimpleNamespace(
            flavor=self.flavor, config=config, supports_schedule_deletion=self.deletes
        )
        return SimpleNamespace(name="cluster", orchestrator=orchestrator)

    def list_schedules(self, name: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(id=known) for known in self.names if known == name]

    def delete_schedule(self, name: str) -> None:
        self.names.remove(name)

    def pipeline(self, source: str) -> SimpleNamespace:
        def with_options(config_path: str, schedule: Any) -> Any:
            assert Path(config_path).is_file()
            self.names.append(schedule.name)
            return lambda: self.runs.append((source, schedule.name, schedule.cron_expression))

        return SimpleNamespace(with_options=with_options)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    client = FakeClient()
    monkeypatch.setattr(schedules, "Client", lambda: client)
    monkeypatch.setattr(schedules.source_utils, "load", client.pipeline)
    return client


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("parameters: {config: {name: roses}}")
    return path


def test_every_key_of_the_schedule_has_a_pipeline() -> None:
    assert set(schedules.PIPELINES) == set(ScheduleConfig.model_fields)


@pytest.mark.parametrize("source", schedules.PIPELINES.values())
def test_pipeline_exists(source: str) -> None:
    module, _, name = source.rpartition(".")
    assert f"def {name}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text()


def test_pipelines_run_with_a_schedule_of_their_line(client: FakeClient, config: Path) -> None:
    made = schedules.schedule_on_stack(config, LINES)

    assert made == {"roses-training": "30 2 * * *", "roses-monitoring": "0 * * * mon,tue"}
    assert client.runs == [
        ("pipelines.training.training", "roses-training", "30 2 * * *"),
        ("pipelines.monitoring.monitoring", "roses-monitoring", "0 * * * mon,tue"),
    ]


def test_second_time_replaces_and_null_removes(client: FakeClient, config: Path) -> None:
    schedules.schedule_on_stack(config, LINES)

    made = schedules.schedule_on_stack(config, {"training": "0 5 * * *", "monitoring": None})

    assert made == {"roses-training": "0 5 * * *", "roses-monitoring": "never"}
    assert client.names == ["roses-training"]
    assert client.runs[2:] == [("pipelines.training.training", "roses-training", "0 5 * * *")]


@pytest.mark.parametrize(
    ("flavor", "training", "monitoring"),
    [
        ("vertex", "30 2 * * *", "0 * * * mon,tue"),
        ("airflow", "30 2 * * *", "0 * * * mon,tue"),
        ("kubeflow", "0 30 2 * * *", "0 0 * * * mon,tue"),
        # docs.aws.amazon.com/scheduler, "Cron-based schedules": minute hour day month weekday year.
        ("sagemaker", "30 2 * * ? *", "0 * ? * MON,TUE *"),
    ],
)
def test_line_is_written_as_the_orchestrator_reads_it(
    client: FakeClient, config: Path, flavor: str, training: str, monitoring: str
) -> None:
    client.flavor = flavor
    made = schedules.schedule_on_stack(config, LINES)
    assert list(made.values()) == [training, monitoring]


def test_orchestrator_that_takes_no_schedules_is_refused(client: FakeClient, config: Path) -> None:
    client.flavor, client.is_schedulable = "local", False

    with pytest.raises(
        ConfigError, match=r'"cluster" is local, which takes no schedules: run `sightline sch'
    ):
        schedules.schedule_on_stack(config, LINES)
    assert client.runs == []


def test_schedule_that_cannot_be_deleted_is_not_doubled(client: FakeClient, config: Path) -> None:
    client.flavor, client.deletes, client.names = "vertex", False, ["roses-training"]

    with pytest.raises(ConfigError, match=r'"roses-training" is there already.*from vertex: delete it there'):
        schedules.schedule_on_stack(config, LINES)
    assert client.runs == []

"""A stack is made once, changed where the file changed, and not touched where anything is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.stacks.register import main, register_stack
from infra.stacks.stack_file import StackFile
from tests.infra.stack_files import ENVIRONMENT, FOLDER, ROOT, stack_of
from vision.errors import ConfigError

SECRETS = {"sightline-s3": {"key": "k", "secret": "s"}, "sightline-registry": {"username": "u"}}


def page(items: list[Any]) -> SimpleNamespace:
    return SimpleNamespace(items=items)


@dataclass
class FakeClient:
    """As much of zenml.client.Client as a registration asks for; `done` has what was written."""

    secrets: dict[str, dict[str, str]] = field(default_factory=lambda: dict(SECRETS))
    components: dict[tuple[str, str], SimpleNamespace] = field(default_factory=dict)
    stacks: dict[str, SimpleNamespace] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def list_secrets(self, name: str) -> SimpleNamespace:
        return page([SimpleNamespace(id=name)] if name in self.secrets else [])

    def get_secret(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(values=self.secrets[name])

    def list_stack_components(self, name: str, type: Any, hydrate: bool = False) -> SimpleNamespace:
        found = self.components.get((type.value, name))
        return page([found] if found else [])

    def create_stack_component(self, name: str, flavor: str, kind: Any, wanted: Any) -> SimpleNamespace:
        made = SimpleNamespace(id=f"{kind.value} {name}", flavor_name=flavor, configuration=dict(wanted))
        self.components[kind.value, name] = made
        self.done.append(f"made {made.id}")
        return made

    def update_stack_component(self, number: str, kind: Any, configuration: dict[str, Any]) -> None:
        there = self.components[kind.value, number.split()[1]].configuration
        there |= configuration
        for key in [key for key, value in there.items() if value is None]:
            del there[key]
        self.done.append(f"changed {number}")

    def list_stacks(self, name: str, hydrate: bool) -> SimpleNamespace:
        return page([self.stacks[name]] if name in self.stacks else [])

    def create_stack(self, name: str, wanted: dict[Any, list[str]]) -> None:
        components = {kind: [SimpleNamespace(id=each) for each in ids] for kind, ids in wanted.items()}
        self.stacks[name] = SimpleNamespace(id=name, components=components)
        self.done.append(f"made stack {name}")

    def update_stack(self, number: str, component_updates: dict[Any, list[str]]) -> None:
        self.done.append(f"changed stack {number}: {sorted(kind.value for kind in component_updates)}")


@pytest.fixture
def client() -> Any:
    return FakeClient()


@pytest.fixture
def stack() -> StackFile:
    return stack_of("kubernetes")


def changed(stack: StackFile, kind: str, **values: Any) -> StackFile:
    """The stack with other values in the first component of that type."""
    document = stack.model_dump(mode="json")
    document["components"][kind][0] |= values
    return StackFile.model_validate(document)


def test_second_time_changes_nothing(client: Any, stack: StackFile) -> None:
    first = register_stack(client, stack)
    client.done.clear()
    second = register_stack(client, stack)

    assert set(first.values()) == {"made"}
    assert set(second.values()) == {"as it was"} and client.done == []
    assert list(first) == list(second)
    assert list(first)[-1] == "stack sightline-kubernetes"


def test_configuration_becomes_the_files(client: Any, stack: StackFile) -> None:
    """Keys that the file has no longer are taken away too."""
    register_stack(client, stack)
    client.done.clear()
    done = register_stack(client, changed(stack, "orchestrator", configuration={"kubernetes_namespace": "x"}))

    assert client.done == ["changed orchestrator sightline-kubernetes"]
    assert done["orchestrator sightline-kubernetes"] == "changed"
    there = client.components["orchestrator", "sightline-kubernetes"].configuration
    assert there == {"kubernetes_namespace": "x"}


def test_component_of_another_name_is_put_into_the_stack(client: Any, stack: StackFile) -> None:
    register_stack(client, stack)
    client.done.clear()
    done = register_stack(client, changed(stack, "image_builder", name="other"))

    kinds = "['artifact_store', 'container_registry', 'image_builder', 'orchestrator']"
    assert client.done == ["made image_builder other", f"changed stack sightline-kubernetes: {kinds}"]
    assert done["stack sightline-kubernetes"] == "changed"


def test_other_flavor_under_a_name_is_refused_before_anything(client: Any, stack: StackFile) -> None:
    register_stack(client, changed(stack, "image_builder", name="sightline-registry"))
    client.components["image_builder", "sightline-local"] = SimpleNamespace(flavor_name="kaniko")
    client.done.clear()
    with pytest.raises(ConfigError, match=r"is there as kaniko, not local: `zenml image-builder delete"):
        register_stack(client, stack)
    assert client.done == []


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ({}, r"`zenml secret create sightline-s3 --key=\.\.\. --secret=\.\.\.` first"),
        (
            SECRETS | {"sightline-s3": {"key": "k"}},
            r"`zenml secret update sightline-s3 --secret=\.\.\.` first",
        ),
        ({"sightline-s3": SECRETS["sightline-s3"]}, r"`zenml secret create sightline-registry --KEY=VALUE"),
    ],
)
def test_missing_secret_is_named_before_anything(
    client: Any, stack: StackFile, secrets: dict[str, dict[str, str]], message: str
) -> None:
    client.secrets = secrets
    with pytest.raises(ConfigError, match=message):
        register_stack(client, stack)
    assert client.done == []


def test_wrong_key_is_told_before_anything(client: Any, stack: StackFile) -> None:
    with pytest.raises(ConfigError, match="unknown namespace"):
        register_stack(client, changed(stack, "orchestrator", configuration={"namespace": "x"}))
    assert client.done == []


def test_dry_run_shows_everything_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert main([str(FOLDER / "kubernetes.yaml"), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "container_registry sightline-registry: default {'uri': 'registry.example'" in shown
    assert "  asks for the secret sightline-s3: key, secret\n" in shown


def test_error_is_one_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    assert main([str(FOLDER / "aws.yaml"), "--dry-run"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("stacks: ") and "set SIGHTLINE_CONTEXT, SIGHTLINE_BUCKET" in message


@pytest.mark.slow
def test_stacks_are_registered_in_a_store_of_zenml(tmp_path: Path) -> None:
    """The local one, which is then chosen; and one of a cluster, whose packages are not here."""
    folders = {"ZENML_CONFIG_PATH": str(tmp_path / "zenml"), "ZENML_REPOSITORY_PATH": str(tmp_path)}
    environment = os.environ | ENVIRONMENT | folders | {"SIGHTLINE_HOME": str(tmp_path)}

    def run(program: str, *command: str) -> str:
        full = [Path(sys.executable).with_name(program), *command]
        done = subprocess.run(full, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def register(name: str) -> str:
        return run("python", "-m", "infra.stacks.register", str(FOLDER / f"{name}.yaml"))

    assert "stack sightline-local: made" in register("local")
    assert "stack sightline-local: as it was" in register("local")
    for name, values in SECRETS.items():
        run("zenml", "secret", "create", name, *(f"--{key}={value}" for key, value in values.items()))
    assert "stack sightline-kubernetes: made" in register("kubernetes")
    assert "stack sightline-kubernetes: as it was" in register("kubernetes")
    environment["SIGHTLINE_BUCKET"] = "tulips"
    assert "artifact_store sightline-s3: changed" in register("kubernetes")
    run("zenml", "stack", "set", "sightline-local")

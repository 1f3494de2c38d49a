"""Each stack file, by ZenML's own schemas of its flavors; and what is said of files that are wrong."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from zenml import __version__
from zenml.enums import StackComponentType

from infra.stacks.flavors import check_configuration, find_flavor, missing_of, secrets_of
from infra.stacks.stack_file import Component, StackFile, read_stack
from tests.infra.stack_files import ENVIRONMENT, STACKS, stack_of
from vision.errors import ConfigError

ORCHESTRATOR = StackComponentType.ORCHESTRATOR
SECRET_FIELDS = {"key", "secret", "token", "password"}
needs_kubernetes = pytest.mark.skipif(
    importlib.util.find_spec("kubernetes") is None, reason="ZenML's Kubeflow needs the package kubernetes"
)


@pytest.fixture(params=STACKS, ids=lambda path: path.stem)
def stack(request: pytest.FixtureRequest) -> StackFile:
    return read_stack(request.param, ENVIRONMENT)


def test_there_is_a_stack_for_each_place() -> None:
    assert [path.stem for path in STACKS] == ["aws", "gcp", "kubeflow", "kubernetes", "local"]


def test_keys_are_those_of_the_flavors(stack: StackFile) -> None:
    for kind, component in stack.all_components():
        known = set(find_flavor(kind, component).flavor.config_class.model_fields)
        assert set(component.configuration) <= known, component


def test_configurations_are_taken_by_the_flavors(stack: StackFile) -> None:
    for kind, component in stack.all_components():
        if component.flavor == "kubeflow" and importlib.util.find_spec("kubernetes") is None:
            continue  # ZenML reads none without the package; test_keys_are_those_of_the_flavors looked at it
        read = check_configuration(kind, component).model_dump(exclude_unset=True)
        assert read.items() >= component.configuration.items()


@needs_kubernetes
def test_kubeflow_is_taken_where_its_package_is() -> None:
    (component,) = stack_of("kubeflow").components[ORCHESTRATOR]
    check_configuration(ORCHESTRATOR, component)


def test_file_is_of_this_zenml_and_named_after_its_place(stack: StackFile) -> None:
    assert stack.zenml_version == __version__
    assert stack.stack_name.startswith("sightline-")
    names = [(kind, component.name) for kind, component in stack.all_components()]
    assert len(names) == len(set(names))


def test_remote_stacks_have_all_that_an_image_needs(stack: StackFile) -> None:
    is_local = stack.components[ORCHESTRATOR][0].flavor == "local"
    assert is_local or {"container_registry", "image_builder"} <= {kind.value for kind in stack.components}


def test_no_secret_stands_in_a_file(stack: StackFile) -> None:
    for _, component in stack.all_components():
        plain = {key: str(value) for key, value in component.configuration.items() if key in SECRET_FIELDS}
        assert all(re.fullmatch(r"\{\{[\w-]+\.\w+\}\}", value) for value in plain.values()), component


def test_secrets_are_found_by_name_and_key() -> None:
    wanted = [secrets_of(component) for _, component in stack_of("kubernetes").all_components()]
    assert wanted == [{}, {"sightline-s3": {"key", "secret"}}, {"sightline-registry": set()}, {}]


def test_unknown_key_is_refused_with_those_that_are_known() -> None:
    component = Component(name="x", flavor="kubernetes", configuration={"namespace": "x"})
    with pytest.raises(ConfigError, match=r"x \(kubernetes\): unknown namespace; allowed are .*_namespace"):
        check_configuration(ORCHESTRATOR, component)


def test_wrong_value_is_refused() -> None:
    component = Component(name="x", flavor="aws", configuration={"uri": "registry.example/path"})
    with pytest.raises(ConfigError, match=r"(?s)container_registry x \(aws\):.*can not contain a `/`"):
        check_configuration(StackComponentType.CONTAINER_REGISTRY, component)


def test_unknown_flavor_is_refused_with_those_of_its_type() -> None:
    component = Component(name="x", flavor="kubernets")
    with pytest.raises(ConfigError, match=r'orchestrator "kubernets": choose one of .*kubernetes, .*local, '):
        find_flavor(ORCHESTRATOR, component)


def test_packages_that_are_not_here_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (component,) = stack_of("kubernetes").components[ORCHESTRATOR]
    integration = find_flavor(ORCHESTRATOR, component).integration
    assert integration is not None
    monkeypatch.setattr(integration, "REQUIREMENTS", ["pydantic>=2", "pydantic<2", "sightline-no-such"])
    assert missing_of(integration) == ("pydantic<2", "sightline-no-such")


def test_what_the_environment_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "stack.yaml"
    path.write_text("stack_name: ${NAME}\nuri: ${REGISTRY}/${NAME}\n")
    with pytest.raises(ConfigError, match="set NAME, REGISTRY in the environment"):
        read_stack(path, {"NAME": ""})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stackname": "x"}, "stackname: Extra inputs"),
        ({"components": {"orchestrators": {"name": "x", "flavor": "local"}}}, "components.orchestrators"),
        ({"components": {"orchestrator": {"name": "x"}}}, "components.orchestrator.0.flavor: Field required"),
        ({"components": {"orchestrator": {"name": "x", "flavor": "local"}}}, "has no artifact_store"),
        ({"stack_name": "costs $5"}, r"allowed is \$\{NAME\}"),
    ],
)
def test_wrong_file_is_told_in_words(tmp_path: Path, change: dict[str, object], message: str) -> None:
    good = yaml.safe_load(next(path for path in STACKS if path.stem == "local").read_text())
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump(good | change))
    with pytest.raises(ConfigError, match=message):
        read_stack(path, {})


def test_file_that_is_no_yaml_or_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "stack.yaml"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_stack(path, {})
    path.write_text("a: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        read_stack(path, {})

"""The snippets of settings are what a file of configs/ and ZenML take, key by key."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from zenml.config.docker_settings import DockerSettings
from zenml.config.pipeline_run_configuration import PipelineRunConfiguration
from zenml.config.resource_settings import ResourceSettings
from zenml.integrations.kubernetes.flavors import KubernetesOrchestratorFlavor
from zenml.integrations.kubernetes.pod_settings import KubernetesPodSettings

from infra.environment import TELEMETRY_OFF
from tests.infra.stack_files import ROOT, settings_of
from vision.config_file import load_config

BY_NAME = pytest.mark.parametrize("name", ["kubernetes", "kubeflow"])
needs_kubernetes = pytest.mark.skipif(
    importlib.util.find_spec("kubernetes") is None, reason="ZenML reads pods by the package kubernetes"
)


def sections(name: str) -> list[dict[str, Any]]:
    """The settings of all steps, and those of each that has its own."""
    document = settings_of(name)
    return [document["settings"], *(step["settings"] for step in document["steps"].values())]


def pods() -> list[dict[str, Any]]:
    return [section["orchestrator.kubernetes"]["pod_settings"] for section in sections("kubernetes")]


@BY_NAME
def test_snippet_goes_into_a_run_file(name: str, tmp_path: Path) -> None:
    given = yaml.safe_load((ROOT / "zenml_config.yaml").read_text())
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(given | settings_of(name)))

    assert load_config(path) == load_config(ROOT / "zenml_config.yaml")
    PipelineRunConfiguration.model_validate(yaml.safe_load(path.read_text()))


@BY_NAME
def test_steps_are_those_of_the_training_pipeline(name: str) -> None:
    source = (ROOT / "pipelines" / "training.py").read_text()
    assert set(settings_of(name)["steps"]) == {"tune", "pretrain", "train"}
    assert all(f"import {step}\n" in source or f", {step}\n" in source for step in settings_of(name)["steps"])


@BY_NAME
def test_keys_are_those_of_zenml(name: str) -> None:
    """Its settings take any key, so that a wrong one would do nothing, unsaid."""
    for section in sections(name):
        assert set(section) <= {"docker", "resources", f"orchestrator.{name}"}
        assert set(section.get("docker", {})) <= set(DockerSettings.model_fields)
        DockerSettings(**section.get("docker", {}))
        assert set(section["resources"]) <= set(ResourceSettings.model_fields)
        ResourceSettings(**section["resources"])


def test_keys_of_pods_are_those_of_zenml() -> None:
    known = KubernetesOrchestratorFlavor().config_class.model_fields
    for section in sections("kubernetes"):
        assert set(section["orchestrator.kubernetes"]) <= set(known)
    for pod in pods():
        assert set(pod) <= set(KubernetesPodSettings.model_fields)


def camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def test_pods_are_those_of_kubernetes() -> None:
    for pod in pods():
        container = {
            "name": "step",
            "image": "sightline:0.1.0",
            "volumeMounts": pod["volume_mounts"],
            "envFrom": pod["env_from"],
            "securityContext": pod["container_security_context"],
        }
        more = {camel_case(key): value for key, value in pod["additional_pod_spec_args"].items()}
        assert not set(more) & set(pod["additional_pod_spec_args"])  # ZenML knows them by Python's names
        spec = {"containers": [container], "volumes": pod["volumes"], **more}
        spec |= {"nodeSelector": pod.get("node_selectors", {}), "tolerations": pod.get("tolerations", [])}
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "step"}, "spec": spec}
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_every_pod_has_the_workspace_where_the_image_looks_for_it() -> None:
    claim = yaml.safe_load((ROOT / "infra/kubernetes/cronjobs/workspace.yaml").read_text())
    home = settings_of("kubernetes")["settings"]["docker"]["environment"]["SIGHTLINE_HOME"]
    for pod in pods():
        (volume,), (mount,) = pod["volumes"], pod["volume_mounts"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert (mount["name"], mount["mountPath"]) == (volume["name"], home)


def test_steps_that_train_and_no_other_have_a_gpu() -> None:
    every, *training = sections("kubernetes")
    assert "gpu_count" not in every["resources"] and "node_selectors" not in pods()[0]
    assert all(section["resources"]["gpu_count"] == 1 for section in training)
    assert all(pod["node_selectors"] == {"nvidia.com/gpu.present": "true"} for pod in pods()[1:])


@BY_NAME
def test_telemetry_is_off_in_the_image(name: str) -> None:
    docker = settings_of(name)["settings"]["docker"]
    assert docker["environment"].items() >= TELEMETRY_OFF.items()
    assert (ROOT / docker["requirements"]).is_file()


def test_kubeflow_is_told_nothing_that_zenml_discards() -> None:
    for section in sections("kubeflow"):
        assert set(section.get("orchestrator.kubeflow", {})) <= {"node_selectors"}
    default = settings_of("kubeflow-workspace")["spec"]
    (mount,) = default["volumeMounts"]
    assert (
        mount["mountPath"] == settings_of("kubeflow")["settings"]["docker"]["environment"]["SIGHTLINE_HOME"]
    )


@needs_kubernetes
def test_zenml_reads_pods_and_keeps_kubeflows_nodes() -> None:
    from zenml.integrations.kubeflow.flavors.kubeflow_orchestrator_flavor import KubeflowOrchestratorSettings

    for pod in pods():
        read = KubernetesPodSettings(**pod)
        assert read.model_dump(exclude_unset=True) == pod
    _, train, *_ = sections("kubeflow")
    kept = KubeflowOrchestratorSettings(**train["orchestrator.kubeflow"]).pod_settings
    assert kept is not None and kept.node_selectors == {"nvidia.com/gpu.present": "true"}

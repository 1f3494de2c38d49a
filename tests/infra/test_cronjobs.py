"""The CronJobs do at the same times what `sightline schedule` does, with few rights and bounded resources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from infra.jobs import COMMANDS
from vision.config_file import load_config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra" / "kubernetes" / "cronjobs"


@pytest.fixture(params=COMMANDS)
def job(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def spec(job: str) -> dict[str, Any]:
    """Of the job's CronJob."""
    document = yaml.safe_load((FOLDER / f"{job}.yaml").read_text())
    assert (document["apiVersion"], document["kind"]) == ("batch/v1", "CronJob")
    found: dict[str, Any] = document["spec"]
    return found


@pytest.fixture
def pod(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["jobTemplate"]["spec"]["template"]["spec"]
    return found


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["containers"]
    container: dict[str, Any] = found
    return container


def test_times_are_those_of_the_yaml(job: str, spec: dict[str, Any]) -> None:
    assert spec["schedule"] == getattr(load_config(ROOT / "zenml_config.yaml").schedule, job)
    assert spec["timeZone"] == "Etc/UTC"


def test_job_never_overlaps_and_makes_up_for_downtime_once(spec: dict[str, Any]) -> None:
    assert spec["concurrencyPolicy"] == "Forbid"
    assert 0 < spec["startingDeadlineSeconds"] < 24 * 3600
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0


def test_pod_has_no_rights(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """Kubernetes' Pod Security Standard "restricted"."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(pod)


def test_container_is_bounded_and_pinned(container: dict[str, Any]) -> None:
    assert set(container["resources"]["limits"]) >= {"cpu", "memory"}
    assert set(container["resources"]["requests"]) >= {"cpu", "memory"}
    name, _, tag = container["image"].partition(":")
    assert name == "sightline"
    assert tag not in ("", "latest")


def test_command_exists(job: str, container: dict[str, Any]) -> None:
    program, *arguments = container["command"]

    assert program == "sightline"
    assert arguments[:3] == ["schedule", "--once", job]
    assert (ROOT / arguments[arguments.index("--config") + 1]).is_file()
    assert CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0


def test_workspace_is_a_volume_that_the_user_can_write(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    volume, temporary = pod["volumes"]
    mount, temporary_mount = container["volumeMounts"]
    claim = yaml.safe_load((FOLDER / "workspace.yaml").read_text())

    assert "emptyDir" in temporary
    assert temporary_mount == {"name": temporary["name"], "mountPath": "/tmp"}
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert {"name": "SIGHTLINE_HOME", "value": mount["mountPath"]} in container["env"]
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


def test_kustomize_sets_the_image_of_both_jobs(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    folder = shutil.copytree(FOLDER, tmp_path / "cronjobs")
    path = folder / "kustomization.yaml"
    path.write_text(path.read_text().replace("newName: sightline", "newName: example/mine"))

    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)

    kinds = [document["kind"] for document in yaml.safe_load_all(done.stdout)]
    assert sorted(kinds) == ["CronJob", "CronJob", "PersistentVolumeClaim"]
    assert done.stdout.count("image: example/mine:0.1.0") == len(COMMANDS)

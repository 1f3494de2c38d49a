"""Rules for pods: each takes all documents of a cluster and returns, in words, what breaks it."""

from __future__ import annotations

from pathlib import PurePosixPath

from serving.front.draining import MAX_SECONDS
from serving.settings import PREFIX, Settings
from tests.infra.kubernetes_manifests import Document, Pod, environment, pods, serving_pods
from vision.errors import ConfigError

# Read by other parts than the service's settings.
OTHER_VARIABLES = {"SIGHTLINE_HOME", "SIGHTLINE_HOST", "SIGHTLINE_PORT", "SIGHTLINE_ALERT_URLS"}
CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
HOST = {"hostNetwork", "hostPID", "hostIPC"}


def run_without_rights(documents: list[Document]) -> list[str]:
    """Pod Security Standard "restricted", and a root file system that cannot be written."""
    return [problem for pod in pods(documents) for problem in _rights(pod)]


def _rights(pod: Pod) -> list[str]:
    context = pod.spec.get("securityContext", {})
    problems = [f"{key} is set" for key in HOST if pod.spec.get(key)]
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        problems.append("may run as root")
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        problems.append("has no seccomp profile")
    if any("hostPath" in volume for volume in pod.spec.get("volumes", ())):
        problems.append("mounts a folder of the node")
    problems += [
        f"{one['name']} is not confined" for one in pod.containers if one.get("securityContext") != CONFINED
    ]
    return [f"{pod.owner} {problem}" for problem in problems]


def have_no_token(documents: list[Document]) -> list[str]:
    found = [
        pod.owner for pod in pods(documents) if pod.spec.get("automountServiceAccountToken") is not False
    ]
    accounts = [one for one in documents if one["kind"] == "ServiceAccount"]
    return found + [one["kind"] for one in accounts if one.get("automountServiceAccountToken") is not False]


def have_no_variables_of_services(documents: list[Document]) -> list[str]:
    """A Service named sightline would set SIGHTLINE_PORT=tcp://..., which ours takes for its port."""
    return [pod.owner for pod in pods(documents) if pod.spec.get("enableServiceLinks") is not False]


def are_bounded(documents: list[Document]) -> list[str]:
    return [
        f"{pod.owner} {container['name']} has no {bound} of {resource}"
        for pod in pods(documents)
        for container in pod.containers
        for bound in ("requests", "limits")
        for resource in ("cpu", "memory", "ephemeral-storage")
        if resource not in container.get("resources", {}).get(bound, {})
    ]


def run_pinned_images(documents: list[Document]) -> list[str]:
    images = [container["image"] for pod in pods(documents) for container in pod.containers]
    return [image for image in images if image.rpartition("/")[2].partition(":")[2] in ("", "latest")]


def mount_what_they_declare(documents: list[Document]) -> list[str]:
    return [
        f"{pod.owner} mounts {mount['name']}"
        for pod in pods(documents)
        for container in pod.containers
        for mount in container.get("volumeMounts", ())
        if mount["name"] not in {volume["name"] for volume in pod.spec.get("volumes", ())}
    ]


def have_probes(documents: list[Document]) -> list[str]:
    paths = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    return [
        f"{pod.owner} has no {probe} of {path}"
        for pod in serving_pods(documents)
        for probe, path in paths.items()
        if pod.spec["containers"][0].get(probe, {}).get("httpGet", {}).get("path") != path
    ]


def end_in_time(documents: list[Document]) -> list[str]:
    """The grace, after which Kubernetes kills, begins with preStop; what was begun must end within it."""
    problems = []
    for pod in serving_pods(documents):
        settings = Settings.from_environment(_known(environment(pod, documents)))
        pause = (
            pod.spec["containers"][0]
            .get("lifecycle", {})
            .get("preStop", {})
            .get("sleep", {})
            .get("seconds", 0)
        )
        needed = pause + MAX_SECONDS + settings.body_seconds + settings.answer_seconds
        if pause < 5:  # a gateway hears of it within a few seconds
            problems.append(f"{pod.owner} stops before gateways have heard")
        if pod.spec.get("terminationGracePeriodSeconds", 30) <= needed:
            problems.append(f"{pod.owner} is killed within {needed:g} s")
    return problems


def set_what_is_read(documents: list[Document]) -> list[str]:
    """Every SIGHTLINE_* is a variable that the code reads, and its value one that the service takes."""
    problems = []
    fields = {PREFIX + name.upper() for name in Settings.model_fields}
    for pod in pods(documents):
        variables = environment(pod, documents)
        ours = {name for name in variables if name.startswith(PREFIX)}
        problems += sorted(ours - fields - OTHER_VARIABLES)
        try:
            Settings.from_environment(_known(variables))
        except ConfigError as error:
            problems.append(str(error))
    return problems


def _known(variables: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value is not None}


def keep_a_bentoml_home_each(documents: list[Document]) -> list[str]:
    """At its start BentoML empties the folder of metrics in BENTOML_HOME, whoever's it is."""
    problems = []
    for pod in serving_pods(documents):
        own = {volume["name"] for volume in pod.spec["volumes"] if "emptyDir" in volume}
        mounts = [one["mountPath"] for one in pod.spec["containers"][0]["volumeMounts"] if one["name"] in own]
        home = PurePosixPath(environment(pod, documents).get("BENTOML_HOME") or "/")
        if not any(home.is_relative_to(mount) for mount in mounts):
            problems.append(f"{pod.owner} has BENTOML_HOME={home}")
    return problems


POD_POLICIES = (
    run_without_rights,
    have_no_token,
    have_no_variables_of_services,
    are_bounded,
    run_pinned_images,
    mount_what_they_declare,
    have_probes,
    end_in_time,
    set_what_is_read,
    keep_a_bentoml_home_each,
)

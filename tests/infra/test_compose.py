"""compose.yaml: valid, contained, without a secret, of one mind with nginx, Prometheus and the service."""

from __future__ import annotations

import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from infra.docker.rendered import REPLICA_PORT, replica_names
from serving.settings import PREFIX, Settings
from tests.infra.docker_files import FOLDER, REPLICAS, RUNS, compose, environment, interpolated, services

SCHEMA = Path(__file__).parent / "schemas" / "compose-spec.json"
SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN", "KEY", "_URL", "URI")
PUBLISHED = {"nginx", "mlflow", "zenml", "prometheus", "grafana"}


@pytest.fixture(params=services())
def name(request: pytest.FixtureRequest) -> str:
    service: str = request.param
    return service


@pytest.fixture
def service(name: str) -> dict[str, Any]:
    return services()[name]


def networks(name: str) -> set[str]:
    return set(services()[name]["networks"])


def test_compose_follows_the_specification() -> None:
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(compose())


def test_schema_refuses_a_wrong_key() -> None:
    document = deepcopy(compose())
    document["services"]["nginx"]["helthcheck"] = {}

    with pytest.raises(ValidationError, match="helthcheck"):
        Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)


def test_service_runs_without_root_and_rights(service: dict[str, Any]) -> None:
    user, group = map(int, service["user"].split(":"))
    assert user > 0 and group >= 0
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert {"privileged", "cap_add", "pid", "network_mode", "devices"}.isdisjoint(service)


def test_service_is_bounded_and_its_image_pinned(service: dict[str, Any]) -> None:
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    _, _, tag = service["image"].rpartition(":")
    assert tag[0].isdigit() or tag[:2] in ("v3",)
    assert tag.count(".") >= 1


def test_service_says_whether_it_is_well(name: str, service: dict[str, Any]) -> None:
    assert ("healthcheck" in service) is (name not in (*REPLICAS, *RUNS))


def test_ports_are_published_on_loopback_alone(name: str, service: dict[str, Any]) -> None:
    ports = service.get("ports", [])

    assert bool(ports) is (name in PUBLISHED)
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_replicas_reach_neither_the_database_nor_the_outside() -> None:
    for replica in REPLICAS:
        assert networks(replica).isdisjoint(networks("postgres"))
        assert all(compose()["networks"][network] == {"internal": True} for network in networks(replica))


def test_the_front_reaches_replicas_and_nothing_behind_them() -> None:
    reached = {name for name in services() if networks(name) & networks("nginx")} - {"nginx"}

    assert reached == {*REPLICAS, "prometheus", "looks"}


def test_what_needs_another_shares_a_network_with_it(name: str, service: dict[str, Any]) -> None:
    for other, how in service.get("depends_on", {}).items():
        assert networks(name) & networks(other), other
        assert "healthcheck" in services()[other] or how["condition"] == "service_started"


def test_mounted_files_are_there(service: dict[str, Any]) -> None:
    sources = [mount.partition(":")[0] for mount in service.get("volumes", [])]

    for source in sources:
        assert source in compose()["volumes"] or (FOLDER / source).exists(), source
    assert all(mount.endswith(":ro") for mount in service.get("volumes", []) if mount.startswith("."))


def test_no_secret_is_written_down(name: str) -> None:
    for variable, value in environment(name).items():
        if any(word in variable for word in SECRET_WORDS) and variable != "ZENML_STORE_URL":
            assert value.startswith("/run/secrets/") or (variable, value) == ("SIGHTLINE_KEYS_FILE", "")


def test_secrets_are_those_that_the_script_makes(tmp_path: Path) -> None:
    subprocess.run(["sh", FOLDER / "secrets.sh", tmp_path / "secrets"], check=True, capture_output=True)

    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    named = {Path(secret["file"]).name for secret in compose()["secrets"].values()}
    assert named == made == {secret for each in services().values() for secret in each.get("secrets", [])}


def test_secret_files_named_are_mounted(name: str, service: dict[str, Any]) -> None:
    text = " ".join([*environment(name).values(), str(service.get("healthcheck", ""))])
    named = {word.rstrip(")\"'") for word in text.split() if word.startswith("/run/secrets/")}

    assert {Path(each).name for each in named} <= set(service.get("secrets", []))


@pytest.mark.parametrize("replica", REPLICAS)
def test_replica_understands_its_variables(replica: str) -> None:
    ours = {name.removesuffix("__FILE") for name in environment(replica) if name.startswith(PREFIX)}

    assert ours <= {PREFIX + field.upper() for field in Settings.model_fields} | {"SIGHTLINE_HOME"}
    assert Settings.from_environment(environment(replica)).log_format == "json"


def test_replicas_are_the_same_to_all_who_ask_them() -> None:
    monitored = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"][0]

    assert replica_names() == REPLICAS == tuple(name for name in services() if name.startswith("serving-"))
    targets = monitored["static_configs"][0]["targets"]
    assert targets == [f"{name}:{REPLICA_PORT}" for name in REPLICAS]
    assert services()["serving-1"] == services()["serving-2"]


def test_example_of_env_names_every_variable_with_its_default() -> None:
    lines = [line for line in (FOLDER / ".env.example").read_text().splitlines() if line and line[0] != "#"]

    assert dict(line.split("=", 1) for line in lines) == interpolated()


def test_dashboards_find_their_data() -> None:
    (source,) = yaml.safe_load((FOLDER / "grafana" / "datasources.yaml").read_text())["datasources"]
    (mount,) = (each for each in services()["grafana"]["volumes"] if "monitoring" in each)
    dashboards = sorted((FOLDER / mount.partition(":")[0]).glob("*.json"))

    assert dashboards, "infra/monitoring has no dashboard"
    for dashboard in dashboards:
        assert _datasources(json.loads(dashboard.read_text())) <= {source["uid"], "-- Grafana --"}


def _datasources(part: Any) -> set[str]:
    """The uids of the sources that a dashboard's panels name; a variable is one that the reader chooses."""
    if isinstance(part, list):
        return set().union(*map(_datasources, part))
    if not isinstance(part, dict):
        return set()
    own = part.get("datasource")
    named = {own["uid"]} if isinstance(own, dict) and not own["uid"].startswith("$") else set()
    return named.union(*map(_datasources, part.values()))

"""How a container begins: secrets made, put into the environment, and the question whether it is ready."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.infra.docker_files import FOLDER, ROOT, exec_form, last

ENTRYPOINT = FOLDER / "entrypoint.sh"


def run_entrypoint(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin"} | variables
    return subprocess.run(["sh", ENTRYPOINT, *command], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_healthcheck_asks_whether_it_is_ready(status: int, healthy: bool) -> None:
    words = exec_form(last("serving.Dockerfile", "HEALTHCHECK").partition("CMD ")[2])

    with _answering(status) as port:
        done = subprocess.run(
            [sys.executable, *words[1:]], env={"SIGHTLINE_PORT": str(port)}, capture_output=True
        )

    assert (done.returncode == 0) is healthy


@contextmanager
def _answering(status: int) -> Iterator[int]:
    """The port of a server that answers /readyz so, and anything else by 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_entrypoint_puts_secrets_into_the_environment(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:a b$c@redis")
    variables = {"A_URL__FILE": str(tmp_path / "url"), "SIGHTLINE_KEYS_FILE": "/keys.json"}

    said = run_entrypoint("sh", "-c", 'echo "$A_URL"; env', **variables).stdout.splitlines()

    assert said[0] == "redis://:a b$c@redis"
    assert "SIGHTLINE_KEYS_FILE=/keys.json" in said
    assert not [line for line in said if "__FILE" in line]


def test_entrypoint_says_which_secret_is_missing() -> None:
    done = run_entrypoint("true", A_URL__FILE="/run/secrets/no-such")

    assert done.returncode == 78
    assert "A_URL__FILE=/run/secrets/no-such cannot be read" in done.stderr


def test_entrypoint_becomes_the_command() -> None:
    with subprocess.Popen(["sh", ENTRYPOINT, "sh", "-c", "echo $$"], stdout=subprocess.PIPE) as process:
        output, _ = process.communicate()

    assert int(output) == process.pid


def test_secrets_are_made_once_and_fit_together(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    command = ["sh", str(FOLDER / "secrets.sh"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    made = {path.name: path.read_text() for path in folder.iterdir()}

    assert subprocess.run(command, capture_output=True).returncode == 1
    assert {path.name: path.read_text() for path in folder.iterdir()} == made
    assert f"sightline:{made['postgres_password']}@postgres" in made["database_url"]
    assert made["redis_url"] == f"redis://:{made['redis_auth.conf'].split()[1]}@redis:6379/0"
    assert len(set(made.values())) == len(made) and folder.stat().st_mode & 0o077 == 0
    assert all(len(value) >= 48 for name, value in made.items() if name != "prometheus_key")


def test_git_is_told_to_leave_secrets_out() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert {"/infra/docker/.env", "/infra/docker/secrets*/"} <= set(ignored)

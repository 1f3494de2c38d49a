"""The conf files of this folder for processes of one machine: the same lines, other addresses.

For the tests and benchmarks of the topology; containers read the files themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
RULES = HERE.parent / "monitoring" / "rules"
ACCESS_LOG = "access.log"
REPLICA_PORT = 3000


def replica_names() -> tuple[str, ...]:
    """The replicas that nginx.conf knows, in its order."""
    found = re.findall(rf"server (\S+):{REPLICA_PORT} ", (HERE / "nginx.conf").read_text())
    return tuple(found)


def nginx(folder: Path, *, port: int, health_port: int, replicas: Sequence[int]) -> Path:
    """The file for an nginx on loopback that writes below `folder`, with replicas on those ports.

    Without `resolve`, which Debian's nginx does not know yet: addresses of loopback do not change.
    """
    text = _replaced(
        (HERE / "nginx.conf").read_text(),
        {"listen 8080;": f"listen 127.0.0.1:{port};", "127.0.0.1:8081": f"127.0.0.1:{health_port}"}
        | {"/tmp/": f"{folder}/", "/dev/stdout": f"{folder}/{ACCESS_LOG}", " resolve ": " "}
        | _addresses(replicas),
    )
    return _written(folder / "nginx.conf", text)


def redis(folder: Path, *, port: int, password_file: Path) -> Path:
    """The file for a Redis on loopback; the password file has a line `requirepass PASSWORD`."""
    text = _replaced(
        (HERE / "redis.conf").read_text(),
        {"/run/secrets/redis_auth.conf": str(password_file), "bind 0.0.0.0": "bind 127.0.0.1"}
        | {"port 6379": f"port {port}"},
    )
    return _written(folder / "redis.conf", text)


def prometheus(folder: Path, *, port: int, key_file: Path, replicas: Sequence[int], seconds: int) -> Path:
    """The file for a Prometheus on that port, which asks replicas on those ports every so many seconds."""
    text = _replaced(
        (HERE / "prometheus.yml").read_text(),
        {"/run/secrets/prometheus_key": str(key_file), "/etc/prometheus/rules": str(RULES)}
        | {"scrape_interval: 15s": f"scrape_interval: {seconds}s", "127.0.0.1:9090": f"127.0.0.1:{port}"}
        | _addresses(replicas),
    )
    return _written(folder / "prometheus.yml", text)


def _addresses(replicas: Sequence[int]) -> dict[str, str]:
    names = replica_names()
    return {f"{name}:{REPLICA_PORT}": f"127.0.0.1:{port}" for name, port in zip(names, replicas, strict=True)}


def _replaced(text: str, replacements: Mapping[str, str]) -> str:
    for old, new in replacements.items():
        if old not in text:
            raise ValueError(f'"{old}" is not in the file: infra/docker/rendered.py speaks of another one')
        text = text.replace(old, new)
    return text


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path

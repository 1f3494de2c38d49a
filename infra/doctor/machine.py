"""Memory, open files and ports of this machine."""

from __future__ import annotations

import errno
import resource
import socket

from infra.doctor.check import Check, Surroundings, fail, gigabytes, ok, warn

# TensorFlow takes 0.7 GB once imported; decoding runs one process of 0.15 GB on each core beside it.
LEAST_MEMORY = 1e9
ENOUGH_MEMORY = 3e9
# The default of most Linux shells; macOS has 256. The service holds one for each connection.
ENOUGH_OPEN_FILES = 1024
# Port -> how to take another, as the Makefile has them.
PORTS = {
    3000: "make serve PORT=3001",
    5000: "make ui MLFLOW_PORT=5001",
    8237: "make ui ZENML_PORT=8238",
}


def memory(surroundings: Surroundings) -> Check:
    """What is free now, of the machine or of the container, whichever is less."""
    import psutil

    available = float(psutil.virtual_memory().available)
    available = min(available, _left_in_container(surroundings, default=available))
    found = f"{gigabytes(available)} available"
    fix = "close other programs, or give the machine or the container more memory"
    if available < LEAST_MEMORY:
        return fail("memory", f"{found}: TensorFlow alone takes 0.7 GB", fix)
    if available < ENOUGH_MEMORY:
        return warn("memory", f"{found}: large data sets may not fit", fix)
    return ok("memory", found)


def open_files(surroundings: Surroundings) -> Check:
    """The soft limit that commands start with."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= ENOUGH_OPEN_FILES:
        return ok("open_files", f"limit {'none' if limit == resource.RLIM_INFINITY else limit}")
    return warn("open_files", f"limit {limit}, below {ENOUGH_OPEN_FILES}", "ulimit -n 4096")


def ports(surroundings: Surroundings) -> Check:
    """Can the service, MLflow and ZenML listen on 127.0.0.1?"""
    taken = [port for port in PORTS if not _is_free(port)]
    if not taken:
        return ok("ports", f"{', '.join(map(str, PORTS))} are free")
    found = "; ".join(f"{port} is held by {_holder(port)}" for port in taken)
    fix = " or ".join(PORTS[port] for port in taken)
    return warn("ports", found, f"stop it if it is not yours to keep, or take another port: {fix}")


def _left_in_container(surroundings: Surroundings, *, default: float) -> float:
    """Limit less use of the control group (version 2); `default` where there is no limit."""
    folder = surroundings.system / "sys/fs/cgroup"
    try:
        return float((folder / "memory.max").read_text()) - float((folder / "memory.current").read_text())
    except (OSError, ValueError):  # no container, version 1, or "max"
        return default


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: else a connection that was closed a minute ago would count as a holder.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _holder(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f"process {connection.pid} ({command[:60]})"
    except psutil.Error:  # macOS asks for root
        pass
    return "a process that cannot be named"

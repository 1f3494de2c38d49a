"""The GPU: is there one, and can TensorFlow use it?

Asked without TensorFlow, which takes 4 s to import: the driver lists its cards as files, and TensorFlow's
own metadata name the CUDA packages that it needs.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.doctor.check import Check, Surroundings, fail, listed, ok, warn

NVIDIA = "0x10de"  # vendor number in PCI's registry
DISPLAY = "0x03"  # class of display controllers there
SECONDS_TO_ANSWER = 1.5


def gpu(surroundings: Surroundings) -> Check:
    """No GPU is no fault; one that lies idle is worth a word."""
    cards, cores = nvidia_cards(surroundings), os.cpu_count()
    if not cards:
        if _has_card_without_driver(surroundings):
            found = f"an NVIDIA card without a driver: training runs on {cores} cores"
            return warn("gpu", found, "install NVIDIA's driver; in a container: docker run --gpus all")
        return ok("gpu", f"no GPU: training runs on {cores} cores")
    hidden = surroundings.environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        found = f"{listed(cards)}, hidden by CUDA_VISIBLE_DEVICES={hidden}"
        return warn("gpu", found, "unset CUDA_VISIBLE_DEVICES")
    missing = missing_cuda_packages(surroundings)
    if missing:
        found = f"{listed(cards)}, and TensorFlow without CUDA: missing {listed(missing)}"
        return warn("gpu", found, f'.venv/bin/uv pip install "tensorflow[and-cuda]{_version(surroundings)}"')
    return ok("gpu", f"{listed(cards)}, with CUDA")


def has_usable_gpu(surroundings: Surroundings) -> bool:
    """Will TensorFlow, as far as can be told without it, train on a GPU?"""
    check = gpu(surroundings)
    return check.status == "ok" and bool(nvidia_cards(surroundings))


def nvidia_cards(surroundings: Surroundings) -> list[str]:
    """Names of the cards that this process may open; [] where there is no driver."""
    devices = sorted((surroundings.system / "dev").glob("nvidia[0-9]*"))
    if not devices:
        return _asked_of_nvidia_smi(surroundings)
    described = (surroundings.system / "proc/driver/nvidia/gpus").glob("*/information")
    names = [
        line.partition(":")[2].strip()
        for file in sorted(described)
        for line in file.read_text().splitlines()
        if line.startswith("Model:")
    ]
    return names[: len(devices)] or ["NVIDIA GPU"] * len(devices)


def missing_cuda_packages(surroundings: Surroundings) -> list[str]:
    """What the extra and-cuda of the installed TensorFlow asks for and is not there."""
    tensorflow = surroundings.packages.get("tensorflow")
    if tensorflow is None:
        return ["tensorflow"]
    wanted = [
        canonicalize_name(requirement.name)
        for requirement in map(Requirement, tensorflow.requires)
        if requirement.marker
        and requirement.marker.evaluate({"extra": "and-cuda"})
        and not requirement.marker.evaluate({"extra": ""})
    ]
    return [name for name in wanted if name not in surroundings.packages]


def tensorflow_devices(surroundings: Surroundings) -> Check:
    """Imports TensorFlow, 4 s, and lists what it would train on."""
    import tensorflow

    gpus = [device.name for device in tensorflow.config.list_physical_devices("GPU")]
    found = f"TensorFlow {tensorflow.__version__} sees {listed(gpus) or 'no GPU'}"
    if not gpus and nvidia_cards(surroundings):
        fix = "see the check gpu, then TF_CPP_MIN_LOG_LEVEL=0 sightline doctor --deep: TensorFlow says why"
        return fail("tensorflow_devices", found, fix)
    return ok("tensorflow_devices", found)


def _version(surroundings: Surroundings) -> str:
    tensorflow = surroundings.packages.get("tensorflow")
    return f"=={tensorflow.version}" if tensorflow else ""


def _asked_of_nvidia_smi(surroundings: Surroundings) -> list[str]:
    """Under Windows' Linux there are no device files, but there is the command."""
    command = shutil.which("nvidia-smi", path=surroundings.environment.get("PATH", ""))
    if command is None:
        return []
    query = [command, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def _has_card_without_driver(surroundings: Surroundings) -> bool:
    return any(
        vendor.read_text().strip() == NVIDIA and (vendor.parent / "class").read_text().startswith(DISPLAY)
        for vendor in (surroundings.system / "sys/bus/pci/devices").glob("*/vendor")
    )

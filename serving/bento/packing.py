"""What a Bento needs besides the bundle: our files that the service imports, and the libraries, pinned."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from vision.preprocessing import Preprocessing

ROOT = Path(__file__).resolve().parents[2]
CODE = (
    "serving/*.py",
    "serving/caching/*.py",
    "serving/front/*.py",
    "serving/observers/*.py",
    "serving/page/*.*",
    "serving/received/*.py",
    "serving/routes/*.py",
    "serving/schemas/*.py",
    "serving/versions/*.py",
    "registry/__init__.py",
    "registry/bundles.py",
    "registry/arrow_columns.py",
    "registry/pointer.py",
    "registry/prediction_files.py",
    "registry/prediction_rows.py",
    "registry/predictions.py",
    "registry/traffic.py",
    "registry/workspace.py",
    "vision/__init__.py",
    "vision/bundle.py",
    "vision/classifier.py",
    "vision/decoding.py",
    "vision/enhancement.py",
    "vision/errors.py",
    "vision/explanation/__init__.py",
    "vision/explanation/log_odds.py",
    "vision/explanation/methods.py",
    "vision/explanation/occlusion.py",
    "vision/explanation/overlays.py",
    "vision/explanation/recipro_cam.py",
    "vision/file_lock.py",
    "vision/golden.py",
    "vision/image_array.py",
    "vision/preprocessing.py",
    "vision/processors.py",
    "vision/resizing.py",
    "vision/sequential.py",
    "vision/task.py",
    "vision/runtimes/__init__.py",
    "vision/runtimes/litert_graph.py",
    "vision/runtimes/litert_runtime.py",
    "vision/runtimes/openvino_graph.py",
    "vision/runtimes/openvino_runtime.py",
    "vision/runtimes/pool.py",
    "vision/uncertainty/__init__.py",
    "vision/uncertainty/rules.py",
)
LIBRARIES = (
    "cachetools",
    "cykooz-resizer",
    "fastapi",
    "httptools",
    "joblib",
    "limits",
    "numpy",
    "opentelemetry-exporter-otlp-proto-http",
    "orjson",
    "pillow",
    "prometheus-client",
    "pyarrow",
    "pydantic",
    "python-json-logger",
    "python-multipart",
    "redis",
    "simplejpeg",
    "uvloop",
    "websockets",
)
ENHANCEMENT_LIBRARY = "opencv-python-headless"
# name in bundle.json -> distribution
RUNTIME_LIBRARIES = {"litert": "ai-edge-litert", "openvino": "openvino"}
# Required by OpenVINO for its converter, which no service runs; pyproject.toml keeps it out here too.
LEFT_OUT = {"openvino-telemetry"}


def copy_code(target: Path) -> None:
    """Copies the files of CODE into the folder, under their own paths."""
    for pattern in CODE:
        for path in sorted(ROOT.glob(pattern)):
            copy = target / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def pinned_requirements(description: Mapping[str, Any]) -> list[str]:
    """`name==version` of each library that serving a bundle with that bundle.json needs, as installed here.

    With all that they need in turn, so that a container built next year runs what was tested today.
    """
    pins: dict[str, str] = {}
    # BentoML adds itself to what a Bento requires, but not what it needs in turn.
    names = [*LIBRARIES, RUNTIME_LIBRARIES[description["runtime"]], "bentoml"]
    if not Preprocessing.model_validate(description["preprocessing"]).enhance.is_off:
        names.append(ENHANCEMENT_LIBRARY)
    waiting = [Requirement(name) for name in names]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) not in seen:
            seen.add(str(requirement))
            name = canonicalize_name(requirement.name)
            pins[name] = f"{name}=={version(name)}"
            waiting += _needs(name, requirement.extras)
    pins.pop("bentoml")
    return sorted(pins.values())


def _needs(name: str, extras: set[str]) -> list[Requirement]:
    """What a distribution requires on this machine, with those extras."""
    return [
        requirement
        for requirement in map(Requirement, requires(name) or ())
        if canonicalize_name(requirement.name) not in LEFT_OUT
        and (
            requirement.marker is None
            or any(requirement.marker.evaluate({"extra": extra}) for extra in extras | {""})
        )
    ]

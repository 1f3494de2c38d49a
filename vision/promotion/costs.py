"""What two versions cost, measured side by side: time for an image, bytes on disk, memory of a process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from vision.classifier import ImageClassifier
from vision.compression.latency import paired_latency_ms
from vision.decoding import Pixels
from vision.errors import BundleError
from vision.golden import golden_pixels
from vision.promotion.figures import Cost, CostName
from vision.promotion.rules import PromotionRules
from vision.runtimes import Logits, Runtime

ROOT = Path(__file__).resolve().parents[2]
LOAD_SECONDS = 300


@dataclass(frozen=True)
class Version:
    """A registered version that was opened: its number, its classifier, the folder of its bundle."""

    number: int
    classifier: ImageClassifier
    bundle: Path


def measure_costs(candidate: Version, champion: Version, rules: PromotionRules) -> dict[CostName, Cost]:
    """Those that a rule limits; BundleError where a process cannot load a bundle."""
    both, costs = (candidate, champion), dict[CostName, Cost]()
    if rules.max_latency_ratio is not None:
        own, other = paired_latency_ms([_asked_its_own(version) for version in both], _golden(candidate))
        costs["latency"] = Cost(candidate=own, champion=other, unit="ms")
    if rules.max_size_ratio is not None:
        own, other = (version.classifier.size_bytes / 1e6 for version in both)
        costs["size"] = Cost(candidate=own, champion=other, unit="MB")
    if rules.max_memory_ratio is not None:
        own, other = (resident_megabytes(version.bundle) for version in both)
        costs["memory"] = Cost(candidate=own, champion=other, unit="MB")
    return costs


@dataclass
class _AskedItsOwn:
    """A runtime that is asked one image whatever it is given: two versions may take images of two sizes."""

    runtime: Runtime
    image: Pixels
    name: str = "asked its own"
    precision: str = ""

    def logits(self, images: Pixels) -> Logits:
        return self.runtime.logits(self.image)

    def save(self, folder: Path) -> None:
        self.runtime.save(folder)


def _asked_its_own(version: Version) -> ImageClassifier:
    runtime = _AskedItsOwn(version.classifier.runtime, _golden(version))
    return replace(version.classifier, runtime=runtime)


def _golden(version: Version) -> Pixels:
    """(1, H, W, 3)."""
    return golden_pixels(version.bundle)[:1]


def resident_megabytes(bundle: Path) -> float:
    """Resident memory of a process of its own that has opened the bundle and answered an image."""
    command = [sys.executable, "-m", "vision.promotion.costs", str(bundle.resolve())]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LOAD_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise BundleError(f"{bundle} was not loaded by a new process within {LOAD_SECONDS} s") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BundleError(f"{bundle} cannot be loaded by a new process (status {done.returncode}): {said}")
    return float(done.stdout.splitlines()[-1])


def _print_own_memory(bundle: Path) -> None:
    classifier = ImageClassifier.load(bundle)
    classifier.predict(golden_pixels(bundle)[:1])
    # While `classifier` still holds its model.
    print(psutil.Process().memory_info().rss / 1e6)  # noqa: T201 - to the process that asks


if __name__ == "__main__":
    _print_own_memory(Path(sys.argv[1]))

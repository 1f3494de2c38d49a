"""How near to the int8 peak a network comes where a processor's matrix unit (AMX) is left unused.

`python -m benchmarks.int8_share FOLDER HEIGHT WIDTH` prints the milliseconds that the OpenVINO model in that
folder takes for an image, and the peak, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.int8_peak import int8_peak
from vision.classifier import ImageClassifier
from vision.runtimes import load_runtime

PROCESSOR = Path("/proc/cpuinfo")
WITHOUT_AMX = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}
WARM_UP, ROUNDS = 20, 200


def without_amx(classifier: ImageClassifier, work: float) -> str:
    """A sentence about one image, of which the network takes `work` multiplications; none without AMX."""
    if not PROCESSOR.is_file() or "amx_int8" not in PROCESSOR.read_text():
        return ""
    with tempfile.TemporaryDirectory() as folder:
        classifier.runtime.save(Path(folder))
        size = map(str, classifier.preprocessing.image_size)
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.int8_share", folder, *size],
            env=os.environ | WITHOUT_AMX, check=True, stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip
    found = json.loads(told)
    share = work / found["ms"] * 1000 / found["peak"]
    return (
        f"With AMX left unused ({'='.join(*WITHOUT_AMX.items())}) openvino int8 takes {found['ms']:.2f} ms:"
        f" {share:.0%} of the peak, which is {found['peak'] / 1e9:,.0f} GMAC/s then."
    )


def main(folder: str, height: str, width: str) -> None:
    runtime = load_runtime("openvino", Path(folder), "int8")
    image = np.random.default_rng(1).integers(0, 256, (1, int(height), int(width), 3), dtype=np.uint8)
    seconds = []
    for _ in range(WARM_UP + ROUNDS):
        started = time.perf_counter()
        runtime.logits(image)
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"ms": 1000 * median(seconds[WARM_UP:]), "peak": int8_peak()}))


if __name__ == "__main__":
    main(*sys.argv[1:])

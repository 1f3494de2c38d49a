"""Opens a sealed folder and answers once: what a new process of a service pays. Prints seconds and memory."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(folder: Path) -> None:
    """Writes {"start_s": ..., "memory_mb": ...} as the last line; imports count."""
    started = time.perf_counter()
    import numpy as np
    import psutil

    from vision.classifier import ImageClassifier

    classifier = ImageClassifier.load(folder)
    height, width = classifier.preprocessing.image_size
    classifier.predict(np.zeros((1, height, width, 3), np.uint8))
    seconds = time.perf_counter() - started
    sys.stdout.write(
        json.dumps({"start_s": seconds, "memory_mb": psutil.Process().memory_info().rss / 1e6}) + "\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

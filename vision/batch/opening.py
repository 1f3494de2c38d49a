"""The classifier in a process that predicts: opened once, checked, and alone on its processor."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from vision.batch.plan import BatchModel
from vision.bundle import bundle_digest
from vision.classifier import ImageClassifier
from vision.errors import BundleError
from vision.golden import FOLDER, check_golden

# Images at a time, by runtime. Of one thread, seconds of processor an image: OpenVINO takes a seventh less
# by 8 than by 32 (MobileNetV2 of 224 pixels, float32; a net of CIFAR-10's size an eleventh more); LiteRT
# differs by less from 8 on. Keras' predict has milliseconds of its own a call.
BATCH_SIZES = {"openvino": 8, "litert": 16, "keras": 256}
BATCH_SIZE = 32

SECONDS_BETWEEN_LOOKS = 1.0
# Read when a library is imported. The runtimes' own threads follow from `take_processor`.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)


@lru_cache(maxsize=1)
def open_classifier(model: BatchModel) -> ImageClassifier:
    """The bundle that the plan was made with, with its golden answers; BundleError for any other."""
    folder = Path(model.folder)
    if not folder.is_dir():
        raise BundleError(
            f"no bundle at {folder} on {socket.gethostname()}: every machine of a cluster must see the"
            " workspace (SIGHTLINE_HOME) under one path"
        )
    if bundle_digest(folder) != model.digest:
        raise BundleError(f"bundle {folder} is not the one that the batch was begun with: its digest differs")
    classifier = ImageClassifier.load(folder)
    if (folder / FOLDER).is_dir():
        check_golden(classifier, folder)
    return classifier


def batch_size(classifier: ImageClassifier) -> int:
    return BATCH_SIZES.get(classifier.runtime.name, BATCH_SIZE)


def take_processor() -> None:
    """Ties this process to a processor that no other batch process of this machine has, if there is one.

    Inference engines start a thread for each processor that they may use; several processes of such threads
    wait for each other. To be called before an engine is imported. Linux alone can do it.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    for processor in sorted(os.sched_getaffinity(0)):
        lock = Path(tempfile.gettempdir()) / f"sightline-processor-{os.getuid()}-{processor}.lock"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        for thread in os.listdir("/proc/self/task"):  # noqa: PTH208 - those that run already as well
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread), {processor})
        return  # the descriptor stays open: the lock ends with the process


def end_with_parent(parent: int) -> None:
    """Ends this process soon after its parent: after kill -9 nobody else would."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

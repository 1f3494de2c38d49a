"""Where the workers of a training run: on the Ray cluster that RAY_ADDRESS names, or on this machine."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vision.errors import ConfigError, SightlineError
from vision.ray_workers import VARIABLE, connect
from vision.training_config import TrainConfig

logger = logging.getLogger("sightline.training")

# Read by the process that starts the training. Ray Train would also change the workers' folder, and with it
# what relative paths mean.
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_CHDIR_TO_TRIAL_DIR": "0"}
# Ray's own of 30 % of the memory is for data sets, which do not travel here.
OBJECT_STORE_BYTES = 200_000_000
GO_ON = "start the training again, which goes on from its last checkpoint, or set config.train.workers to 1"


@contextmanager
def cluster(config: TrainConfig) -> Iterator[None]:
    """Inside, Ray runs: that of RAY_ADDRESS, else one of this machine, which ends with the block.

    SightlineError where Ray itself fails.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from ray.exceptions import RayError

    here = _existing if os.environ.get(VARIABLE) else _of_this_machine
    try:
        with here(config):
            yield
    except RayError as error:
        raise SightlineError(f"Ray failed while the workers trained: {error}; {GO_ON}") from error


@contextmanager
def _existing(config: TrainConfig) -> Iterator[None]:
    import ray

    connect()
    if missing := _missing(config):
        logger.warning("%s: the training waits until nodes with it join the cluster", missing)
    try:
        yield
    except BaseException:
        ray.shutdown()  # the workers end with their driver, and do not train on for nobody
        raise


@contextmanager
def _of_this_machine(config: TrainConfig) -> Iterator[None]:
    import ray

    try:
        ray.init(
            "local", num_cpus=config.workers * config.worker_cpus, object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False, log_to_driver=False, logging_level="WARNING",
            _node_ip_address="127.0.0.1",
        )  # fmt: skip
    except Exception as error:  # Ray 2.60 raises no class of its own where its processes do not come up
        raise SightlineError(f"Ray did not start on this machine: {error}; {GO_ON}") from error
    try:
        if missing := _missing(config):
            raise ConfigError(
                f"{missing}: set config.train.workers or worker_gpus, or {VARIABLE} to the address of a"
                " cluster that has them"
            )
        yield
    finally:
        ray.shutdown()


def _missing(config: TrainConfig) -> str:
    import ray

    has = ray.cluster_resources()
    asked = {"CPU": config.worker_cpus, "GPU": config.worker_gpus}
    return ", ".join(
        f"{config.workers} workers need {config.workers * each:g} {name}, Ray has {has.get(name, 0):g}"
        for name, each in asked.items()
        if config.workers * each > has.get(name, 0)
    )


@contextmanager
def storage(checkpoint: Path | None) -> Iterator[Path]:
    """A folder for what Ray keeps of a run, beside the checkpoint: all nodes must see it."""
    if checkpoint is not None:
        checkpoint.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="ray_", dir=checkpoint))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

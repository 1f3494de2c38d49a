"""Starts the workers of a training by Ray Train, hears of their epochs, and brings back what they made.

Ray places them, tells each who the others are, and ends all where one dies. Files are not sent: the nodes
see the workspace's folder at its own path, and have the same release of the code.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from vision.classifier import ImageClassifier
from vision.errors import ConfigError, SightlineError
from vision.prepared import PreparedImages
from vision.training.fit import EpochLog
from vision.training.progress import ProgressBar
from vision.training.record import TrainingRecord
from vision.training.several_workers_cluster import cluster, storage
from vision.training.several_workers_task import RECORD, Task, work
from vision.training_config import TrainConfig
from vision.tuning_workers import THREADS

if TYPE_CHECKING:
    from ray.train import Result

    from vision.training.train import TrainingPlan

# A worker that asked for no GPU is to see none: TensorFlow would train on it.
HIDE_GPUS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
SECONDS_BETWEEN_LOOKS = 0.5


def train_on_workers(
    prepared: PreparedImages, plan: TrainingPlan, *, checkpoint: Path | None, on_epoch: EpochLog
) -> tuple[ImageClassifier, TrainingRecord]:
    """What `train_classifier` returns, trained by `plan.train.workers` processes.

    A worker that dies ends the run with SightlineError; the same call goes on from `checkpoint`. An error of
    Sightline on a worker is raised here as it is.
    """
    config = plan.train
    _refuse(prepared, config)
    with cluster(config), storage(checkpoint) as folder_of_ray:
        from ray.util.queue import Queue

        task = Task(prepared, plan, checkpoint, Queue(actor_options={"num_cpus": 0}))
        result = _wait(_start(task, folder_of_ray), task, on_epoch)
        with result.checkpoint.as_directory() as folder:
            classifier = ImageClassifier.load(Path(folder) / "classifier")
            record = TrainingRecord.model_validate_json((Path(folder) / RECORD).read_text())
    return classifier, record.model_copy(update={"accelerator": f"{config.workers} x {record.accelerator}"})


def _refuse(prepared: PreparedImages, config: TrainConfig) -> None:
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"train.workers is {config.workers}, but on {keras.backend.backend()} there can be 1: set"
            " config.train.workers to 1, or KERAS_BACKEND to tensorflow"
        )
    images = len(prepared.labels("train"))
    if images < config.workers:
        raise ConfigError(
            f"train.workers is {config.workers}, but there are {images} training images, and each worker"
            " needs one in every batch: set config.train.workers"
        )


def _start(task: Task, storage: Path) -> Future[Result]:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    config = task.plan.train
    # The last is joblib's.
    threads = dict.fromkeys((*THREADS, "LOKY_MAX_CPU_COUNT"), str(config.worker_cpus))
    variables = {**HIDE_GPUS, **threads, "TTY_COMPATIBLE": "0", "KERAS_BACKEND": "tensorflow"}
    trainer = TensorflowTrainer(
        work,
        train_loop_config={"task": task},
        scaling_config=ScalingConfig(
            num_workers=config.workers,
            use_gpu=config.worker_gpus > 0,
            resources_per_worker={"CPU": config.worker_cpus, "GPU": config.worker_gpus},
        ),
        run_config=RunConfig(
            name="run", storage_path=str(storage), worker_runtime_env={"env_vars": variables}
        ),
    )
    # Not in the main thread, where Ray would take Ctrl-C for itself.
    pool = ThreadPoolExecutor(1)
    running = pool.submit(trainer.fit)
    pool.shutdown(wait=False)
    return running


def _wait(running: Future[Result], task: Task, on_epoch: EpochLog) -> Result:
    from ray.train.v2.api.exceptions import TrainingFailedError
    from ray.util.queue import Empty

    bar = ProgressBar(task.plan.train.epochs)
    bar.on_train_begin()
    try:
        while not running.done() or not task.epochs.empty():
            try:
                epoch, metrics = task.epochs.get(timeout=SECONDS_BETWEEN_LOOKS)
            except Empty:
                continue
            bar.on_epoch_begin(epoch)
            bar.on_epoch_end(epoch, metrics)
            on_epoch(epoch, metrics)
        return running.result()
    except TrainingFailedError as error:
        raise _reason(error, task) from error
    finally:
        bar.on_train_end()


def _reason(error: Exception, task: Task) -> SightlineError:
    """The workers' own mistake where it is one, else which of them ended, and how to go on."""
    failures: dict[int, BaseException] = dict(getattr(error, "worker_failures", {}))
    causes = {place: getattr(failure, "_base_exc", failure) for place, failure in failures.items()}
    for cause in causes.values():
        if isinstance(cause, SightlineError):
            return cause
    told = "; ".join(f"worker {place}: {_first_line(cause)}" for place, cause in sorted(causes.items()))
    return SightlineError(
        f"the training on {task.plan.train.workers} workers ended, because some of them died or could not go"
        f" on ({told or _first_line(error)}); start it again, and it goes on from its last checkpoint; where"
        " memory ran out set config.train.batch_size lower"
    )


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"

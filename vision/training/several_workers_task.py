"""What one of several workers does, in a process that Ray has started."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.prepared import PreparedImages
from vision.training.several_workers import Worker, working_as

if TYPE_CHECKING:
    from ray.util.queue import Queue

    from vision.training.train import TrainingPlan

RECORD = "record.json"


@dataclass(frozen=True)
class Task:
    """What every worker is given; `epochs` takes what the first reports as it goes."""

    prepared: PreparedImages
    plan: TrainingPlan
    checkpoint: Path | None
    epochs: Queue


def work(arguments: dict[str, Any]) -> None:
    """The whole of one worker, in its own process."""
    from ray import train

    task: Task = arguments["task"]
    context = train.get_context()
    # Before anything else of TensorFlow; Ray has set TF_CONFIG.
    from vision.training.several_workers_exchange import TensorFlowExchange

    worker = Worker(context.get_world_rank(), context.get_world_size(), TensorFlowExchange())
    from vision.training.train import train_classifier

    def report(epoch: int, metrics: dict[str, float]) -> None:
        if worker.is_first:
            task.epochs.put((epoch, {name: float(value) for name, value in metrics.items()}))

    with working_as(worker):
        classifier, record = train_classifier(
            task.prepared, task.plan, checkpoint=task.checkpoint, on_epoch=report
        )
    if not worker.is_first:
        train.report({})
        return
    with tempfile.TemporaryDirectory() as name:
        classifier.save(Path(name) / "classifier")
        (Path(name) / RECORD).write_text(record.model_dump_json())
        train.report({}, checkpoint=train.Checkpoint.from_directory(name))

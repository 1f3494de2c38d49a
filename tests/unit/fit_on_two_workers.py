"""The same trainings by one worker and by two, which TF_CONFIG tells of each other; leaves their weights.

A program of its own: who exchanges with whom is decided before anything else of TensorFlow.
"""

import sys
from pathlib import Path

import numpy as np

from tests.behaviour.tiny import MIXING, OFF, colours, convolutional, linear
from vision.training.fit import fit_model
from vision.training.several_workers import ALONE, Worker, working_as
from vision.training_config import TrainConfig

PLAIN = {"epochs": 4, "batch_size": 16, "optimizer": "sgd", "schedule": "cosine", "learning_rate": 0.1}
# Whatever a batch, its gradients or an epoch's end go through.
EVERYTHING = {
    **PLAIN,
    "clip_norm": 0.5,
    "weight_decay": 1e-3,
    "accumulate": 2,
    "ema_decay": 0.5,
    "class_weights": "balanced",
    "curriculum_epochs": 1,
    "mixing_off_epochs": 1,
    "early_stopping_patience": 2,
}
POLICY = MIXING.model_copy(
    update={"rotation_degrees": 10, "horizontal_flip": True, "noise": 0.05, "erasing": 0.5}
)
CASES = {
    "no_batch_norm": (linear, OFF, PLAIN),
    "batch_norm": (convolutional, OFF, PLAIN),
    "everything": (convolutional, POLICY, EVERYTHING),
}


def leave_weights(folder, worker):
    """70 and 33 images in batches of 16: nothing is even."""
    for name, (build, policy, settings) in CASES.items():
        with working_as(worker):
            data = {"train": colours(70, 0), "validation": colours(33, 1)}
            result = fit_model(build(), **data, policy=policy, config=TrainConfig(**settings), seed=3)
        history = [result.history[key] for key in sorted(result.history)]
        np.savez(folder / f"{name}_{worker.count}_{worker.place}.npz", *result.model.get_weights(), history)


if __name__ == "__main__":
    place, count = int(sys.argv[2]), int(sys.argv[3])
    this = ALONE
    if count > 1:
        from vision.training.several_workers_exchange import TensorFlowExchange

        this = Worker(place, count, TensorFlowExchange())
    leave_weights(Path(sys.argv[1]), this)

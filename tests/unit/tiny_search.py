"""A search over 48 small images, and a host of its own that takes part in it: `python tiny_search.py ...`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from vision import tuning, tuning_storage
from vision.augmentation_policy import AugmentationPolicy
from vision.model_config import ModelConfig
from vision.prepared import LabelledImages
from vision.training.train import TrainingPlan
from vision.training_config import Range, TrainConfig, TuneConfig
from vision.tuning_trial import Outcome, Search

OFF = AugmentationPolicy(rotation_degrees=0, horizontal_flip=False, zoom=0, shift=0, brightness=0)
RATE = "train.learning_rate"
OWN_RATE = 0.005
STUDY = "colours-000000000001"
HEARTBEAT_SECONDS, GRACE_SECONDS = 1, 4


def colours(count, seed):
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = random.integers(0, 120, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 100
    return LabelledImages(images, labels)


def make_search(trials, **tune):
    train = TrainConfig(batch_size=16, learning_rate=OWN_RATE, early_stopping_patience=None)
    model = ModelConfig(name="residual", options={"filters": 4, "stages": 1, "blocks": 1})
    space = {RATE: Range(low=1e-4, high=1e-1, log=True)}
    settings = {"epochs": 2, "space": space, "trials": trials, "pruner": "none", **tune}
    plan = TrainingPlan(model=model, train=train, policy=OFF, seed=1)
    return Search(colours(48, 0), colours(16, 1), 2, plan, TuneConfig(**settings))


def be_impatient(put=setattr):
    put(tuning_storage, "HEARTBEAT_SECONDS", HEARTBEAT_SECONDS)
    put(tuning_storage, "GRACE_SECONDS", GRACE_SECONDS)
    put(tuning, "SECONDS_BETWEEN_LOOKS", 0.5)


def main(storage, trials, begun, seconds_of_own, seconds):
    """Trials whose rate is their score; touches the file `begun` at the first, prints what was found."""

    def train(search, trial, values):
        Path(begun).touch()
        time.sleep(float(seconds_of_own if values[RATE] == OWN_RATE else seconds))
        return Outcome([values[RATE]])

    be_impatient()
    tuning.train_trial = train
    numbers = []
    best = tuning.tune_training(
        make_search(int(trials)), study_name=STUDY, storage=storage,
        on_trial=lambda record, outcome: numbers.append(record.number),
    )  # fmt: skip
    sys.stdout.write(json.dumps({"numbers": numbers, "score": best.score, "trials": best.trials}))


if __name__ == "__main__":
    main(*sys.argv[1:])

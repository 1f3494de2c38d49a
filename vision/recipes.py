"""Training recipes by name: each row holds values for fields of TrainConfig, which the YAML may override."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """A row: what it is for, and the fields that differ from TrainConfig's defaults."""

    purpose: str
    settings: Mapping[str, Any]


RECIPES = {
    "reference_a": Recipe(
        "the reference system's long recipe, for its CNN A",
        {
            "epochs": 150,
            "batch_size": 32,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "rate_decay": 1e-6,
            "schedule": "plateau",
            "plateau_factor": 0.2,
            "plateau_patience": 8,
            "early_stopping_patience": 15,
        },
    ),
    "reference_b": Recipe(
        "the reference system's short recipe, for its CNN B",
        {
            "epochs": 50,
            "batch_size": 32,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "rate_decay": 1e-6,
            "schedule": "plateau",
            "plateau_factor": 0.2,
            "plateau_patience": 8,
            "early_stopping_patience": 10,
        },
    ),
    # Jordan 2024 (94% on CIFAR-10 in 3.29 seconds), table 1, without its optimiser tricks.
    "fast": Recipe(
        "minutes from random weights: high rate, few epochs, half precision where the processor has it",
        {
            "epochs": 4,
            "batch_size": 125,
            "optimizer": "sgd",
            "learning_rate": 0.25,
            "weight_decay": 2e-4,
            "schedule": "linear",
            "warm_up_share": 0.23,
            "label_smoothing": 0.2,
            "early_stopping_patience": None,
            "precision": "auto",
        },
    ),
    "thorough": Recipe(
        "the best accuracy from random weights, in hours on a processor",
        {
            "epochs": 60,
            "batch_size": 128,
            "optimizer": "adamw",
            "learning_rate": 2e-3,
            "weight_decay": 0.05,
            "schedule": "cosine",
            "label_smoothing": 0.1,
            "clip_norm": 1.0,
            "ema_decay": 0.998,
            "mixing_off_epochs": 6,
            "early_stopping_patience": None,
            "precision": "auto",
            "test_time_augmentation": "flip",
        },
    ),
    "fine_tune": Recipe(
        "from pretrained weights: a head on cached features, then the layers from the top",
        {
            "epochs": 10,
            "batch_size": 32,
            "optimizer": "adamw",
            "learning_rate": 3e-4,
            "weight_decay": 0.05,
            "schedule": "cosine",
            "label_smoothing": 0.1,
            "clip_norm": 1.0,
            "early_stopping_patience": None,
            "fine_tune": {},
        },
    ),
    # Li et al. 2017 (Pruning Filters for Efficient ConvNets), section 3: few epochs at a low rate.
    "after_pruning": Recipe(
        "a few epochs for a network that has lost channels",
        {
            "epochs": 3,
            "batch_size": 64,
            "optimizer": "adamw",
            "learning_rate": 5e-4,
            "weight_decay": 0.01,
            "schedule": "cosine",
            "clip_norm": 1.0,
            "early_stopping_patience": None,
            "precision": "auto",
        },
    ),
    # Beyer et al. 2022 (Knowledge distillation: a good teacher is patient and consistent): many epochs.
    "student": Recipe(
        "a small network from random weights that learns from a trained one",
        {
            "epochs": 30,
            "batch_size": 64,
            "optimizer": "adamw",
            "learning_rate": 2e-3,
            "weight_decay": 0.05,
            "schedule": "cosine",
            "clip_norm": 1.0,
            "early_stopping_patience": None,
            "precision": "auto",
        },
    ),
}

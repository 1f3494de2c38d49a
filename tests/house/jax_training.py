"""Trainings on JAX: test_jax_environment.py starts them in an environment that has no TensorFlow."""

import json
import sys
from pathlib import Path

import numpy as np

from tests.behaviour.test_resume import CONFIG, POLICY, Assassin
from tests.behaviour.tiny import colours, convolutional, equal_weights
from vision.augmentation_policy import AugmentationPolicy
from vision.model_config import ModelConfig
from vision.prepared import PreparedImages
from vision.training import checkpoint
from vision.training.fit import fit_model
from vision.training.train import TrainingPlan, train_classifier
from vision.training_config import EnsembleConfig, FineTuneConfig, TrainConfig

MODEL = ModelConfig(name="residual", options={"filters": 8, "stages": 2})
WHOLE = TrainingPlan(
    MODEL,
    TrainConfig(
        epochs=3,
        batch_size=16,
        optimizer="adamw",
        schedule="cosine",
        learning_rate=0.01,
        clip_norm=1.0,
        accumulate=2,
        ema_decay=0.5,
        first_size_share=0.5,
        curriculum_epochs=1,
        mixing_off_epochs=1,
        test_time_augmentation="flip",
        precision="bfloat16",
    ),
    AugmentationPolicy(rand_augment_operations=2, erasing=0.5, mixup=0.2, cutmix=1.0),
    seed=3,
)
FINE_TUNED = TrainingPlan(
    MODEL,
    TrainConfig(
        epochs=2,
        batch_size=16,
        optimizer="adamw",
        schedule="cosine",
        learning_rate=0.01,
        fine_tune=FineTuneConfig(head_epochs=3),
    ),
    AugmentationPolicy(),
    seed=3,
    ensemble=EnsembleConfig(method="seeds", members=2),
)
PLANS = {"whole": WHOLE, "fine_tuned": FINE_TUNED}


def train(name, prepared_folder, folder):
    """Leaves the classifier and what it gives for the test images."""
    prepared = PreparedImages.open(Path(prepared_folder))
    classifier, record = train_classifier(prepared, PLANS[name])
    classifier.save(Path(folder) / "classifier")
    np.save(Path(folder) / "probabilities.npy", classifier.predict(prepared.images("test")))
    return {"history": record.history, "tensorflow": "tensorflow" in sys.modules}


def be_killed(folder):
    fit(Path(folder), Assassin("training"))


def resume(folder):
    """Whether the training that was killed ends as one that was not."""
    kept, unbroken = fit(Path(folder), Assassin("never")), fit(None, Assassin("never"))
    return {
        "epochs": unbroken.epochs,
        "history": kept.history == unbroken.history,
        "weights": equal_weights(kept.model, unbroken.model),
    }


def fit(folder, assassin):
    checkpoint.SECONDS_BETWEEN_WRITES, checkpoint.SHARE_OF_TIME = 0.0, float("inf")
    # With the rate that is used on TensorFlow it would stop before the kill: other initial weights.
    changes = {"epochs": 6, "learning_rate": 0.1, "mixing_off_epochs": 2, "early_stopping_patience": 6}
    return fit_model(
        convolutional(stages=2, dropout=0.3),
        colours(64, 0),
        colours(32, 1),
        policy=POLICY,
        config=CONFIG.model_copy(update=changes),
        seed=3,
        callbacks=[assassin],
        checkpoint=folder,
    )


if __name__ == "__main__":
    command = {"train": train, "be_killed": be_killed, "resume": resume}[sys.argv[1]]
    sys.stdout.write(json.dumps(command(*sys.argv[2:])))

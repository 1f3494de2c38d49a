"""Batch norm after a short training: inference knows what the network became."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.behaviour.tiny import OFF, colours
from vision.training.fit import fit_model
from vision.training.moving_statistics import keeping_up
from vision.training_config import TrainConfig


def network(momentum: float) -> keras.Model:
    """Batch norm of pixels, 0..255, which hardly anything else would bring near 0."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(momentum=momentum, name="norm")(inputs)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


@pytest.mark.parametrize("momentum", [0.9, 0.99, 0.999])
def test_after_a_short_training_inference_has_the_statistics_of_the_images(momentum: float) -> None:
    train, model = colours(96, 0), network(momentum)
    config = TrainConfig(epochs=10, batch_size=16, learning_rate=0.01)

    fitted = fit_model(model, train, colours(96, 1), policy=OFF, config=config, seed=1)

    norm, pixels = model.get_layer("norm"), np.asarray(train.images[:], np.float32)
    np.testing.assert_allclose(norm.moving_mean, pixels.mean(axis=(0, 1, 2)), rtol=0.03)
    np.testing.assert_allclose(norm.moving_variance, pixels.var(axis=(0, 1, 2)), rtol=0.06)
    assert fitted.history["val_accuracy"][-1] > 0.9


@pytest.mark.parametrize(("steps", "momenta"), [(5, [0.5, 0.5]), (200, [0.95, 0.95]), (5_000, [0.99, 0.998])])
def test_momentum_fits_the_steps_and_is_as_it_was_afterwards(steps: int, momenta: list[float]) -> None:
    inputs = keras.Input((4,))
    norms = [keras.layers.BatchNormalization(momentum=momentum) for momentum in (0.99, 0.999)]
    inner = keras.Sequential([keras.Input((4,)), norms[1]])
    model = keras.Model(inputs, inner(norms[0](inputs)))

    with pytest.raises(RuntimeError, match="training"), keeping_up(model, steps=steps):
        assert [norm.momentum for norm in norms] == pytest.approx(momenta)
        raise RuntimeError("the training failed")

    assert [norm.momentum for norm in norms] == [0.99, 0.999]

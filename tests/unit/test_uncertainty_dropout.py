"""Monte Carlo dropout and disagreement: dropout alone is active, and mutual information is right."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.stats import entropy

from vision.errors import DataError
from vision.training.averaging import average_models, mirrored
from vision.uncertainty.disagreement import disagreement
from vision.uncertainty.dropout import dropping_copy, monte_carlo_dropout

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 6, 6, 3)).astype(np.uint8)


def network(rate: float, *, spatial: float = 0.0) -> keras.Model:
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.SpatialDropout2D(spatial)(x)
    x = keras.layers.Dropout(rate)(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


@pytest.mark.parametrize("members", [1, 2, 7])
def test_disagreement_is_mutual_information(members: int) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), (members, 30))
    expected = entropy(probabilities.mean(axis=0), axis=1) - entropy(probabilities, axis=2).mean(axis=0)
    np.testing.assert_allclose(disagreement(probabilities), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([[[1, 0]], [[0, 1]]], np.log(2)),  # each is certain, of something else
        ([[[0.5, 0.5]], [[0.5, 0.5]]], 0),  # both unsure, and of one mind
        ([[[1, 0]], [[1, 0]]], 0),
        ([[[0.3, 0.7]]], 0),  # one member
    ],
)
def test_disagreement_by_hand(members: list[list[list[float]]], expected: float) -> None:
    assert disagreement(np.array(members, np.float32)) == pytest.approx(expected, abs=1e-7)


def test_disagreement_of_labels_is_that_of_each_summed() -> None:
    members = np.random.default_rng(0).random((4, 10, 2))
    alone = [disagreement(np.stack([p, 1 - p], axis=-1)) for p in np.moveaxis(members, 2, 0)]
    np.testing.assert_allclose(disagreement(members, "multi_label"), alone[0] + alone[1], atol=1e-12)


def test_seed_decides_the_draw() -> None:
    model = network(0.5)
    first, again, other = (monte_carlo_dropout(model, IMAGES, passes=3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    np.testing.assert_array_equal(first.information, again.information)
    assert not np.allclose(first.probabilities, other.probabilities)
    np.testing.assert_allclose(first.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (first.information > 0).all()


def test_the_model_is_left_as_it_is_and_only_dropout_acts() -> None:
    model = network(1e-9)
    # Dropout that drops nothing: batch normalisation by the batch would give other answers.
    model.layers[3].set_weights([np.full(4, 1.5), np.ones(4), np.full(4, 0.3), np.full(4, 2.0)])
    weights, before = model.get_weights(), model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(dropping_copy(model, seed=0).predict(IMAGES, verbose=0), before, atol=1e-5)
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), before)
    for weight, kept in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_the_mean_of_many_draws_of_a_linear_head_is_the_whole_network() -> None:
    # Dropout keeps the expected logits where only a dense layer follows it.
    model = network(0.2)
    copy = dropping_copy(model, seed=0)
    many = np.repeat(IMAGES[:1], 4000, axis=0)
    drawn = copy.predict(many, batch_size=4000, verbose=0)
    spread = drawn.std(axis=0) / np.sqrt(4000)
    assert (spread > 0).all()
    assert (np.abs(drawn.mean(axis=0) - model.predict(IMAGES[:1], verbose=0)[0]) < 5 * spread).all()


@pytest.mark.parametrize("task", ["multi_class", "multi_label"])
def test_dropout_of_nested_members_acts(task) -> None:  # type: ignore[no-untyped-def]
    members = [network(0.5), network(0.0, spatial=0.5)]
    ensemble = mirrored(average_models(members, task=task), task=task)
    assert (monte_carlo_dropout(ensemble, IMAGES, passes=3, seed=0, task=task).information > 0).all()


def test_a_model_without_dropout_is_refused() -> None:
    with pytest.raises(DataError, match=r"no dropout layer of a rate above 0; set config\.model\.options"):
        monte_carlo_dropout(network(0.0), IMAGES, passes=3, seed=0)

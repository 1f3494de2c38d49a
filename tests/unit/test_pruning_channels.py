"""Small graphs of which the groups, the importance and what is left can be written down by hand."""

import keras
import numpy as np
import pytest
from keras import layers

from vision.compression.pruning.importance import importance, keep_strongest, kept_count
from vision.compression.pruning.removal import without_channels
from vision.compression.pruning.rules import trace_channels

INPUTS = (4, 4, 3)


def conv(filters, name, **options):
    return layers.Conv2D(filters, 3, padding="same", name=name, **options)


def model_of(body):
    inputs = keras.Input(INPUTS)
    features = layers.GlobalAveragePooling2D(name="features")(body(inputs))
    return keras.Model(inputs, layers.Dense(2, name="logits")(features))


def groups(model):
    return {group.producers: len(group.channels) for group in trace_channels(model).groups}


def test_chain_has_a_group_a_layer():
    model = model_of(lambda x: conv(4, "b")(layers.ReLU()(layers.BatchNormalization()(conv(8, "a")(x)))))
    assert groups(model) == {("a",): 8, ("b",): 4}
    assert trace_channels(model).frozen == {"logits": "gives the network's outputs"}


def test_addition_ties_its_branches():
    def body(x):
        x = conv(8, "stem")(x)
        return x + conv(8, "out")(conv(6, "inner")(x))

    assert groups(model_of(body)) == {("stem", "out"): 8, ("inner",): 6}


def test_gate_ties_channels_and_a_mask_does_not():
    def body(x):
        x = conv(8, "a")(x)
        gate = conv(8, "gate")(layers.GlobalAveragePooling2D(keepdims=True)(x))
        return layers.Multiply()([layers.Multiply()([x, gate]), conv(1, "mask")(x)])

    assert groups(model_of(body)) == {("a", "gate"): 8, ("mask",): 1}


def test_concatenation_joins_and_its_parts_are_tied_apart():
    def body(x):
        joined = layers.Concatenate()([conv(4, "a")(x), conv(6, "b")(x)])
        return layers.Add()([joined, conv(10, "both")(x)])

    assert groups(model_of(body)) == {("a", "both"): 4, ("b", "both"): 6}


def test_layer_called_twice_is_tied_to_both():
    def body(x):
        twice = conv(8, "twice")
        return twice(twice(conv(8, "a")(x)))

    assert groups(model_of(body)) == {("a", "twice"): 8}


@pytest.mark.parametrize(
    "stop", [layers.GroupNormalization(2, name="stop"), conv(8, "stop", groups=2)], ids=["unknown", "grouped"]
)
def test_layer_without_a_rule_freezes_its_channels(stop):
    channels = trace_channels(model_of(lambda x: stop(conv(8, "b")(conv(8, "a")(x)))))
    assert [group.producers for group in channels.groups] == [("a",)]
    assert channels.frozen["b"] == f'meets "stop" ({type(stop).__name__})'


def test_rows_behind_flatten_are_those_of_the_channels_that_stay():
    """2 x 2 places of 2 channels: the second channel has the rows 1, 3, 5 and 7."""
    model = keras.Sequential([keras.Input((2, 2, 3)), conv(2, "a"), layers.Flatten(), layers.Dense(2)])
    channels = trace_channels(model)
    keep = np.ones(channels.count, bool)
    keep[channels.outputs["a"][0]] = False
    smaller = without_channels(model, channels, keep)
    assert np.array_equal(smaller.layers[0].kernel, np.array(model.layers[0].kernel)[..., 1:])
    assert np.array_equal(smaller.layers[2].kernel, np.array(model.layers[2].kernel)[1::2])


def test_removal_goes_through_norms_of_channels_and_keeps_what_is_not_trained():
    model = model_of(lambda x: layers.LayerNormalization(name="norm")(conv(8, "a")(x)))
    model.get_layer("norm").gamma.assign(np.arange(8))
    model.get_layer("a").kernel.trainable = False
    channels = trace_channels(model)
    keep = np.ones(channels.count, bool)
    keep[channels.outputs["a"][[0, 5]]] = False
    smaller = without_channels(model, channels, keep)
    assert np.array(smaller.get_layer("norm").gamma).tolist() == [1, 2, 3, 4, 6, 7]
    assert not smaller.get_layer("a").kernel.trainable and smaller.get_layer("a").bias.trainable


def tied_pair():
    """Filters of norm 1, 2, 3, 2 (mean 2) and 90, 10, 10, 10 (mean 30), added."""
    model = model_of(lambda x: layers.Add()([conv(4, "a")(x), conv(4, "b")(x)]))
    for name, norms in (("a", (1, 2, 3, 2)), ("b", (90, 10, 10, 10))):
        kernel = np.zeros((3, 3, 3, 4))
        kernel[1, 1, 0] = norms
        model.get_layer(name).kernel.assign(kernel)
    return model, trace_channels(model)


def test_importance_is_the_mean_of_relative_norms():
    model, channels = tied_pair()
    scores = importance(model, channels)[channels.outputs["a"]]
    assert scores == pytest.approx([(0.5 + 3) / 2, (1 + 1 / 3) / 2, (1.5 + 1 / 3) / 2, (1 + 1 / 3) / 2])


def test_strongest_channels_stay():
    model, channels = tied_pair()
    keep = keep_strongest(model, channels, {("a", "b"): 2})
    assert keep[channels.outputs["b"]].tolist() == [True, False, True, False]
    assert keep[channels.outputs["logits"]].all()


def test_weights_that_are_all_zero_have_no_importance():
    model, channels = tied_pair()
    for name in "ab":
        model.get_layer(name).kernel.assign(np.zeros((3, 3, 3, 4)))
    assert not importance(model, channels).any()


@pytest.mark.parametrize(
    ("size", "share", "expected"),
    [
        (64, 0.5, 32),
        (64, 0.55, 32),  # 35.2: 32 is nearer than 40
        (40, 0.5, 24),  # 20 lies between 16 and 24
        (20, 1.0, 20),  # never more than there are
        (256, 0.001, 8),
        (15, 0.5, 8),
        (12, 0.5, 6),
        (12, 0.1, 4),
        (3, 0.1, 3),
        (1, 0.5, 1),
    ],
)
def test_kept_count_suits_int8(size, share, expected):
    assert kept_count(size, share) == expected

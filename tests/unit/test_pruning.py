"""Every architecture without half of its channels answers as the whole one, where nobody reads that half."""

from functools import cache

import keras
import numpy as np
import pytest

from models import ARCHITECTURES
from vision.compression.pruning.removal import without_channels
from vision.compression.pruning.rules import trace_channels
from vision.model_facts import flops

CLASSES = 4
STAGES = {"filters": 16, "stages": 2}
SMALL = {
    "residual": STAGES,
    "squeeze_excite": STAGES,
    "cbam": STAGES,
    "multi_scale": STAGES,
    "dense": {"block_layers": 2, "blocks": 2},
    "scaled": {"phi": -8},
    "fast": {"width": 16, "widest": 32, "convolutions": 1},
}
FAST = {*SMALL, "reference_a", "reference_b"}
ROWS = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES]
# What looks at all channels at once, a mean and a maximum, sees a half of equal twins as it sees the whole.
LOOKS_ACROSS = {"cbam"}


@cache
def build(name):
    """Model and images; weights, biases and statistics are all random. Tests must not alter it.

    1.4 makes up for what ReLU cuts off.
    """
    side = max(32, ARCHITECTURES[name].smallest_side)
    keras.utils.set_random_seed(0)
    model = ARCHITECTURES[name].build((side, side, 3), CLASSES, **SMALL.get(name, {}))
    random = np.random.default_rng(0)
    for weight in model.weights:
        values = random.uniform(0.5, 1.5, weight.shape)
        if len(weight.shape) > 1:
            inputs = 1 if "depthwise" in weight.path else weight.shape[-2]
            scale = 1.4 / np.sqrt(inputs * np.prod(weight.shape[:-2]))
            values = random.normal(0, scale, weight.shape)
        weight.assign(values)
    if name in LOOKS_ACROSS:
        make_twins(model, trace_channels(model))
    return model, random.integers(0, 256, (4, side, side, 3)).astype(np.float32)


def copy_of(model, channels):
    return without_channels(model, channels, np.ones(channels.count, bool))


def answer(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def remove_one_of_two(channels):
    """Which channels stay: of neighbours in a group one, by chance."""
    random, keep = np.random.default_rng(1), np.ones(channels.count, bool)
    for group in channels.groups:
        pairs = group.channels[: len(group.channels) // 2 * 2].reshape(-1, 2)
        keep[pairs[np.arange(len(pairs)), random.integers(0, 2, len(pairs))]] = False
    return keep


def make_twins(model, channels):
    """The same pairs become equal channels."""
    twin = np.arange(channels.count)
    for group in channels.groups:
        even = len(group.channels) // 2 * 2
        twin[group.channels[1:even:2]] = group.channels[0:even:2]
    for name, outputs in channels.outputs.items():
        source = [list(outputs).index(channel) for channel in twin[outputs]]
        layer = model.get_layer(name)
        layer.set_weights([weight[..., source] for weight in layer.get_weights()])


def stop_reading(model, channels, keep):
    """Sets to 0 the weights by which a layer reads channels that do not stay."""
    for name, inputs in channels.inputs.items():
        layer = model.get_layer(name)
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            layer.kernel.assign(np.array(layer.kernel) * keep[inputs][:, None])


@pytest.mark.parametrize("name", ROWS)
def test_removal_is_exact(name):
    model, images = build(name)
    channels = trace_channels(model)
    keep = remove_one_of_two(channels)
    smaller, unread = without_channels(model, channels, keep), copy_of(model, channels)
    stop_reading(unread, channels, keep)
    whole, expected = answer(model, images), answer(unread, images)
    assert np.abs(answer(smaller, images) - expected).max() < 1e-4 * np.abs(whole).max()
    assert np.abs(whole - expected).max() > 1e-2 * np.abs(whole).max(), "what was removed said nothing"
    assert flops(smaller) < 0.75 * flops(model)


@pytest.mark.parametrize("name", ROWS)
def test_removing_nothing_changes_nothing(name):
    model, images = build(name)
    same = copy_of(model, trace_channels(model))
    assert answer(same, images) == pytest.approx(answer(model, images), rel=1e-5)
    assert [layer.name for layer in same.layers[1:]] == [layer.name for layer in model.layers[1:]]


@pytest.mark.parametrize("name", ROWS)
def test_every_layer_of_ours_is_known(name):
    """Only ConvNeXt has a layer that is not: its depthwise convolutions are grouped ones."""
    reasons = set(trace_channels(build(name)[0]).frozen.values())
    unknown = reasons - {"gives the network's outputs"}
    assert all("depthwise" in reason for reason in unknown) and bool(unknown) == (name == "convnext_tiny")

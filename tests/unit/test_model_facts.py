"""Operations are those of the papers and of layers counted by hand."""

import keras
import pytest
from keras import layers

from models import ARCHITECTURES
from vision.model_facts import flops, parameters
from vision.training.averaging import WithMirrorImages


@pytest.mark.parametrize(
    ("layer", "multiply_adds"),
    [
        (layers.Conv2D(5, 3, padding="same"), 8 * 8 * 3 * 3 * 4 * 5),
        (layers.Conv2D(5, 3, strides=2, padding="same"), 4 * 4 * 3 * 3 * 4 * 5),
        (layers.Conv2D(6, 3, padding="same", groups=2), 8 * 8 * 3 * 3 * 2 * 6),
        (layers.DepthwiseConv2D(3, padding="same"), 8 * 8 * 3 * 3 * 4),
        (layers.SeparableConv2D(5, 3, padding="same"), 8 * 8 * (3 * 3 * 4 + 4 * 5)),
        (layers.Dense(7), 8 * 8 * 4 * 7),
        (layers.BatchNormalization(), 0),
    ],
)
def test_flops_of_a_layer(layer, multiply_adds):
    inputs = keras.Input((8, 8, 4))
    assert flops(keras.Model(inputs, layer(inputs))) == 2 * multiply_adds


def test_flops_count_a_nested_model():
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(5, 1)])
    inputs = keras.Input((8, 8, 3))
    assert flops(keras.Model(inputs, inner(inputs))) == flops(inner) == 2 * 8 * 8 * 3 * 5


def test_flops_count_every_view_of_an_image():
    inputs = keras.Input((8, 8, 3))
    views = keras.layers.Conv2D(5, 1, use_bias=False)(WithMirrorImages()(inputs))
    assert flops(keras.Model(inputs, views)) == 2 * 2 * 8 * 8 * 3 * 5


def test_flops_of_a_model_for_any_size_need_a_size():
    fixed = ARCHITECTURES["residual"].build((32, 48, 3), 10)
    free = ARCHITECTURES["residual"].build((None, None, 3), 10)
    assert flops(free, (32, 48, 3)) == flops(fixed)
    with pytest.raises(ValueError, match=r"images of any size \(None, None, 3\): give image_shape"):
        flops(free)


def test_parameters_count_the_statistics_of_batch_norm():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.BatchNormalization()(layers.Conv2D(5, 3)(inputs)))
    assert parameters(model) == 3 * 3 * 3 * 5 + 5 + 4 * 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "giga_multiply_adds"),
    [
        ("resnet50", 3.86),  # He et al. 2016, table 1: 3.8e9; 3.86 with Keras' strides
        ("mobilenet_v2", 0.300),  # Sandler et al. 2018, table 4: 300M
        ("efficientnet_b0", 0.39),  # Tan & Le 2019, table 2: 0.39B
        ("scaled", 0.39),
        ("convnext_tiny", 4.5),  # Liu et al. 2022, table 1
        ("densenet121", 2.83),  # torchvision's table for 224 pixels
    ],
)
def test_flops_are_those_published(name, giga_multiply_adds):
    model = ARCHITECTURES[name].build((224, 224, 3), 1000)
    assert flops(model) / 2e9 == pytest.approx(giga_multiply_adds, rel=0.015)

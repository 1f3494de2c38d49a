"""Every row of ARCHITECTURES: shapes, range of the input, an untrained model's loss."""

import inspect
import math

import numpy as np
import pytest

from models import ARCHITECTURES

CLASSES = 4


@pytest.fixture(params=sorted(ARCHITECTURES))
def architecture(request):
    return ARCHITECTURES[request.param]


def build_smallest(architecture):
    import keras

    keras.utils.set_random_seed(0)
    side = architecture.smallest_side
    return architecture.build((side, side, 3), CLASSES), side


def test_build_gives_logits_for_the_smallest_image(architecture):
    model, side = build_smallest(architecture)
    logits = model.predict(np.zeros((3, side, side, 3), np.uint8), verbose=0)
    assert logits.shape == (3, CLASSES)
    assert model.layers[-1].activation.__name__ == "linear"


def test_build_takes_images_that_are_not_square(architecture):
    side = architecture.smallest_side
    model = architecture.build((side, side + 5, 3), CLASSES)
    assert model.output_shape == (None, CLASSES)


def test_untrained_model_knows_nothing(architecture):
    """First loss near ln K (Karpathy's recipe): wrong scaling or initialisation shows here."""
    model, side = build_smallest(architecture)
    images = np.random.default_rng(0).integers(0, 256, (64, side, side, 3), dtype=np.uint8)
    logits = model.predict(images, verbose=0)
    log_partition = np.log(np.exp(logits).sum(axis=1))
    loss = (log_partition - logits.mean(axis=1)).mean()
    assert loss == pytest.approx(math.log(CLASSES), rel=0.5)


def test_model_is_flat(architecture):
    """A nested model breaks class activation maps ("graph disconnected")."""
    import keras

    model, _ = build_smallest(architecture)
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]


def test_options_are_those_of_the_build_function(architecture):
    signature = inspect.signature(architecture.build_function, eval_str=True).parameters
    assert tuple(signature) == ("image_shape", "num_classes", *architecture.options)
    assert all(signature[name].annotation is kind for name, kind in architecture.options.items())


def test_reference_a_is_the_table_of_the_reference():
    """The reference: conv 64, 128, 256, 256; dense 512; counted by hand, batch norm has 4 values a filter."""
    import keras

    model = ARCHITECTURES["reference_a"].build((224, 224, 3), 10)
    filters = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert filters == [64, 128, 256, 256]
    convolutions = 9 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 256)
    batch_norms = 4 * (64 + 128 + 256 + 256)
    dense = 256 * 512 + 512 + 512 * 10 + 10
    assert model.count_params() == convolutions + batch_norms + dense


def test_reference_b_is_the_table_of_the_reference():
    import keras

    model = ARCHITECTURES["reference_b"].build((32, 32, 3), 10)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [32, 64, 128, 256]
    assert all(layer.kernel_regularizer is not None for layer in convolutions)
    assert any(isinstance(layer, keras.layers.Flatten) for layer in model.layers)

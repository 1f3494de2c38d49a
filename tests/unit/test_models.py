"""Every row of ARCHITECTURES: shapes, range of the input, an untrained model's loss, saving, other sizes."""

import inspect
import math

import keras
import numpy as np
import pytest

from models import ARCHITECTURES
from models.cbam import attend
from models.fast import WHITENING
from models.multi_scale import DILATIONS
from models.scaled import image_side
from models.squeeze_excite import excite
from vision.classifier import ImageClassifier
from vision.explanation import activation_maps
from vision.preprocessing import Preprocessing
from vision.runtimes.keras_features import feature_map
from vision.runtimes.keras_runtime import KerasRuntime

CLASSES = 4
OWN = [name for name, row in ARCHITECTURES.items() if not row.takes_weights]
# The networks of keras.applications take seconds each to build; resnet18 is residual in another size.
ROWS = [
    name if name in OWN and name != "resnet18" else pytest.param(name, marks=pytest.mark.slow)
    for name in ARCHITECTURES
]
# As few layers as show the family.
SMALL = {"dense": {"block_layers": 1}, "scaled": {"phi": -8}, "fast": {"width": 16, "widest": 32}}


def pixels(side, count=4):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def build(name, height=None, width=None):
    return ARCHITECTURES[name].build((height, width, 3), CLASSES, **SMALL.get(name, {}))


def answer(model, images):
    """Without `predict`, which would compile a graph for four images."""
    return keras.ops.convert_to_numpy(model(images.astype(np.float32), training=False))


@pytest.fixture(scope="module")
def models():
    """Each built once, for the smallest image; tests must not alter them."""
    built = {}

    def smallest(name):
        side = ARCHITECTURES[name].smallest_side
        if name not in built:
            keras.utils.set_random_seed(0)
            built[name] = build(name, side, side)
        return built[name], pixels(side)

    return smallest


@pytest.fixture
def bfloat16():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("name", ROWS)
def test_build_gives_logits_for_the_smallest_image(name, models):
    model, images = models(name)
    assert answer(model, images).shape == (len(images), CLASSES)
    assert model.get_layer("logits").activation is keras.activations.linear


@pytest.mark.parametrize("name", ROWS)
def test_features_are_vectors(name, models):
    model, images = models(name)
    features = keras.Model(model.input, model.get_layer("features").output)
    assert answer(features, images).ndim == 2


@pytest.mark.parametrize("name", ROWS)
def test_model_is_flat(name, models):
    """A nested model breaks class activation maps ("graph disconnected")."""
    model, _ = models(name)
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_pp", "recipro_cam"])
@pytest.mark.parametrize("name", ROWS)
def test_activation_map_is_found(name, method, models):
    model, images = models(name)
    assert min(feature_map(model).shape[1:3]) >= 4
    names = tuple("abcd"[:CLASSES])
    classifier = ImageClassifier(KerasRuntime(model), Preprocessing(image_size=images.shape[1:3]), names)
    maps = activation_maps(classifier, images[:2], np.array([0, 1]), method=method).maps
    assert maps.shape == (2, *images.shape[1:3]) and np.isfinite(maps).all()
    assert np.isin(maps.max(axis=(1, 2)), (0, 1)).all()


@pytest.mark.parametrize("name", ROWS)
def test_model_in_two_parts_is_the_model(name, models):
    model, images = models(name)
    split = KerasRuntime(model).split()
    assert split.head(split.features(images)) == pytest.approx(answer(model, images), abs=1e-4)


@pytest.mark.parametrize("name", ROWS)
def test_one_image_has_the_logits_that_it_has_among_others(name, models):
    model, images = models(name)
    together, alone = answer(model, images), answer(model, images[:1])
    assert alone[0] == pytest.approx(together[0], abs=1e-4)


@pytest.mark.parametrize("name", ROWS)
def test_saved_model_is_the_same_in_safe_mode(name, models, tmp_path):
    model, images = models(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert answer(loaded, images) == pytest.approx(answer(model, images), abs=1e-5)


@pytest.mark.parametrize("name", ROWS)
def test_weights_fit_the_network_for_any_size(name, models):
    if not ARCHITECTURES[name].takes_any_size:
        pytest.skip("a dense layer on flattened maps has one size")
    model, images = models(name)
    free = build(name)
    free.set_weights(model.get_weights())
    assert answer(free, images) == pytest.approx(answer(model, images), abs=1e-4)


@pytest.mark.parametrize("name", ROWS)
def test_logits_are_float32_in_mixed_precision(name, bfloat16):
    side = ARCHITECTURES[name].smallest_side
    model = build(name, side, side)
    assert model.output.dtype == "float32"
    assert model.get_layer("features").output.dtype == "bfloat16"


@pytest.mark.parametrize("name", ROWS)
def test_build_takes_images_that_are_not_square(name):
    side = ARCHITECTURES[name].smallest_side
    model = build(name, side, side + 5)
    assert model.output_shape == (None, CLASSES)


@pytest.mark.parametrize("name", OWN)
def test_untrained_model_knows_nothing(name, models):
    """First loss near ln K (Karpathy's recipe): wrong scaling or initialisation shows here."""
    model, images = models(name)
    logits = answer(model, images)
    log_partition = np.log(np.exp(logits).sum(axis=1))
    loss = (log_partition - logits.mean(axis=1)).mean()
    assert loss == pytest.approx(math.log(CLASSES), rel=0.5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_options_are_those_of_the_build_function(name):
    row = ARCHITECTURES[name]
    signature = inspect.signature(row.build_function, eval_str=True).parameters
    weights = ("weights",) if row.takes_weights else ()
    assert tuple(signature) == ("image_shape", "num_classes", *weights, *row.options)
    assert all(signature[option].annotation is kind for option, kind in row.options.items())


@pytest.mark.parametrize(
    ("name", "options", "classes", "trainable"),
    [
        # kuangliu/pytorch-cifar's ResNet18; He et al. 2016 with a stem of 3 x 3.
        ("resnet18", {}, 10, 11_173_962),
        # Huang et al. 2017, table 2: DenseNet-BC of depth 100, growth 12 has 0.8 M.
        pytest.param("dense", {"block_layers": 16}, 10, 769_162, marks=pytest.mark.slow),
        # torchvision's efficientnet_b0 and, with the factors of phi = 1, efficientnet_b2.
        pytest.param("scaled", {}, 1000, 5_288_548, marks=pytest.mark.slow),
        pytest.param("scaled", {"phi": 1}, 1000, 9_109_994, marks=pytest.mark.slow),
    ],
)
def test_parameters_are_those_published(name, options, classes, trainable):
    model = ARCHITECTURES[name].build((32, 32, 3), classes, **options)
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == trainable


def test_image_side_grows_with_phi():
    """224 x 1.15 = 257.6 and 224 x 1.15^2 = 296.2, to multiples of 8."""
    assert [image_side(phi) for phi in (0, 1, 2)] == [224, 256, 296]


@pytest.mark.parametrize(("attention", "share"), [(excite, 0.5), (attend, 0.25)])
def test_attention_without_weights_halves_each_time(attention, share):
    """The sigmoid of 0 is 0.5: once for channels, and in CBAM once more for places."""
    inputs = keras.Input((4, 4, 8))
    model = keras.Model(inputs, attention(inputs))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(keras.ops.zeros_like(layer.kernel))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 8)).astype(np.float32)
    assert answer(model, x) == pytest.approx(share * x, abs=1e-4)


def test_multi_scale_sees_three_scales(models):
    model, _ = models("multi_scale")
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.dilation_rate[0] for layer in convolutions} == set(DILATIONS) == {1, 2, 3}


@pytest.mark.parametrize("stem_strides", [1, 2, 4])
def test_whitened_patches_are_uncorrelated(stem_strides):
    row = ARCHITECTURES["fast"]
    images = np.sort(pixels(48, count=20), axis=2)  # neighbours are alike, as in photos
    model = row.build((48, 48, 3), CLASSES, width=8, widest=8, stem_strides=stem_strides)
    row.prepare_function(model, images)
    out = answer(keras.Model(model.input, model.get_layer(WHITENING).output), images)
    white, negated = np.split(out.reshape(-1, out.shape[-1]), 2, axis=1)
    moments = white.T @ white / len(white)
    assert negated == pytest.approx(-white, abs=1e-3)
    assert moments - np.diag(np.diag(moments)) == pytest.approx(0, abs=1e-2)
    assert np.diag(moments).max() == pytest.approx(1, abs=1e-2)


def test_the_fast_network_begins_by_handing_on_what_it_gets():
    model = ARCHITECTURES["fast"].build((32, 32, 3), 10, width=16, widest=32)
    fewer, as_many, more, *_ = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][1:]
    given = np.random.default_rng(0).normal(size=(2, 5, 5, 24)).astype(np.float32)
    np.testing.assert_array_equal(fewer(given), given[..., :16])
    np.testing.assert_array_equal(as_many(given[..., :16]), given[..., :16])
    np.testing.assert_array_equal(more(given[..., :16])[..., :16], given[..., :16])
    others = np.array(more.kernel)[..., 16:]  # uniform within 1 / sqrt(fan-in), as in PyTorch
    assert others.std() == pytest.approx((3 * 3 * 3 * 16) ** -0.5, rel=0.05)


def test_whitening_is_not_trained_but_its_bias():
    row = ARCHITECTURES["fast"]
    model = row.build((24, 24, 3), CLASSES, width=8, widest=8)
    row.prepare_function(model, pixels(24))
    layer = model.get_layer(WHITENING)
    kernel, bias = layer.get_weights()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(pixels(24).astype(np.float32), np.arange(4), verbose=0)
    assert np.array_equal(layer.get_weights()[0], kernel)
    assert not np.array_equal(layer.get_weights()[1], bias)


def test_only_the_fast_network_is_prepared():
    assert [name for name, row in ARCHITECTURES.items() if row.prepare_function] == ["fast"]


def test_reference_a_is_the_table_of_the_reference():
    """The reference: conv 64, 128, 256, 256; dense 512; counted by hand, batch norm has 4 values a filter."""
    model = ARCHITECTURES["reference_a"].build((224, 224, 3), 10)
    filters = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert filters == [64, 128, 256, 256]
    convolutions = 9 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 256)
    batch_norms = 4 * (64 + 128 + 256 + 256)
    dense = 256 * 512 + 512 + 512 * 10 + 10
    assert model.count_params() == convolutions + batch_norms + dense


def test_reference_b_is_the_table_of_the_reference():
    model = ARCHITECTURES["reference_b"].build((32, 32, 3), 10)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [32, 64, 128, 256]
    assert all(layer.kernel_regularizer is not None for layer in convolutions)
    assert any(isinstance(layer, keras.layers.Flatten) for layer in model.layers)

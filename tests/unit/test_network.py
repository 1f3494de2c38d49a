"""The precision of a network, its size while images grow, and the float32 network that is kept."""

import keras
import numpy as np
import pytest

from tests.behaviour.tiny import OFF, equal_weights
from vision.errors import ConfigError
from vision.model_config import ModelConfig
from vision.prepared import LabelledImages
from vision.training import precision as precision_module
from vision.training.fit import fit_model
from vision.training.network import as_float32, build_network
from vision.training.objective import build_objective
from vision.training.precision import computing_in, dtype_policy
from vision.training.trainer import Trainer
from vision.training_config import TrainConfig

SMALL = ModelConfig(name="residual", options={"filters": 4, "stages": 2})
SHAPE = (16, 16, 3)


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def build(model=SMALL, **changes):
    return build_network(model, SHAPE, 3, config=TrainConfig(**changes), train_images=images(4))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("avx2 fma", "float32"),
        ("avx512f avx512_bf16", "mixed_bfloat16"),
        ("amx_bf16", "mixed_bfloat16"),
        (None, "float32"),
    ],
)
def test_auto_is_bfloat16_where_the_processor_has_it(flags, expected, monkeypatch, tmp_path):
    processor = tmp_path / "cpuinfo"
    if flags:
        processor.write_text(f"processor : 0\nflags : fpu {flags} sse\nbugs : none\n")
    monkeypatch.setattr(precision_module, "PROCESSOR", processor)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    assert dtype_policy("auto") == expected


def test_auto_is_float16_on_a_gpu(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0", "gpu:1"])
    assert dtype_policy("auto") == "mixed_float16"


def test_policy_is_put_back_after_an_error():
    before = keras.config.dtype_policy().name
    with pytest.raises(ValueError, match="broken"), computing_in("mixed_bfloat16"):
        raise ValueError("broken")
    assert keras.config.dtype_policy().name == before


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_network_computes_in_half_precision_with_weights_and_logits_in_float32(precision):
    network = build(precision=precision)
    assert network.get_layer("features").compute_dtype == precision
    assert network.get_layer("logits").compute_dtype == "float32"
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_kept_network_has_the_weights_in_float32_and_one_size():
    network = build(precision="bfloat16", first_size_share=0.5)
    kept = as_float32(network, SMALL, SHAPE, 3)
    assert (network.input_shape, kept.input_shape) == ((None, None, None, 3), (None, *SHAPE))
    assert {layer.compute_dtype for layer in kept.layers} == {"float32"}
    pixels = images(4).astype(np.float32)
    assert kept.predict(pixels, verbose=0) == pytest.approx(network.predict(pixels, verbose=0), abs=0.05)


def test_network_that_needs_one_size_cannot_grow_its_images():
    with pytest.raises(ConfigError, match=r"reference_b takes images of one size.*first_size_share to 1"):
        build(ModelConfig(name="reference_b"), first_size_share=0.5)


def test_first_images_must_be_large_enough_for_the_network():
    with pytest.raises(ConfigError, match=r"4 x 4 pixels, but residual needs 8 x 8"):
        build(first_size_share=0.25)


def test_weights_for_a_network_that_takes_none_are_refused():
    with pytest.raises(ConfigError, match=r"residual.*config\.model\.weights"):
        build(SMALL.model_copy(update={"weights": "imagenet"}))


def test_weights_of_a_file_that_is_missing_are_refused(tmp_path):
    weights = str(tmp_path / "missing.weights.h5")
    model = ModelConfig(name="mobilenet_v2", weights=weights, options={"alpha": 0.35})
    with pytest.raises(ConfigError, match=r"missing\.weights\.h5"):
        build_network(model, (32, 32, 3), 3, config=TrainConfig())


def test_architecture_is_prepared_on_training_images():
    """Of the `fast` network: its first convolution whitens them, so it is not what it was at random."""
    model = ModelConfig(name="fast", options={"width": 4, "widest": 4})
    shown = np.random.default_rng(0).integers(0, 256, (6, 24, 24, 3), dtype=np.uint8)
    kernels = []
    for train_images in (None, shown):
        keras.utils.set_random_seed(1)
        network = build_network(model, (24, 24, 3), 3, config=TrainConfig(), train_images=train_images)
        kernels.append(network.get_weights()[0])
    assert not np.allclose(*kernels)


@pytest.mark.parametrize(("precision", "scales"), [("bfloat16", False), ("float16", True)])
def test_loss_is_scaled_for_float16_alone(precision, scales):
    config = TrainConfig(precision=precision)
    objective = build_objective(config, np.arange(3), 3)
    trainer = Trainer(
        build(precision=precision), OFF, seed=1, objective=objective, optimizer=keras.optimizers.SGD()
    )
    assert isinstance(trainer.optimizer, keras.optimizers.LossScaleOptimizer) == scales


@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_half_precision_trains_with_averaged_weights_and_growing_images(precision, tmp_path):
    """float16 with its loss scaling: a checkpoint of the finished training is taken too."""
    config = TrainConfig(
        epochs=3, batch_size=8, precision=precision, ema_decay=0.5, accumulate=2, first_size_share=0.5,
        schedule="cosine", optimizer="sgd", learning_rate=0.05,
    )  # fmt: skip
    labels = np.arange(32) % 3
    data = LabelledImages((images(32) // 2 + 60 * labels[:, None, None, None]).astype(np.uint8), labels)
    results = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        network = build_network(SMALL, SHAPE, 3, config=config)
        results.append(fit_model(network, data, data, policy=OFF, config=config, seed=1, checkpoint=tmp_path))
    first, again = results
    assert equal_weights(again.model, first.model)
    assert first.history["loss"][-1] < first.history["loss"][0]
    assert again.history == first.history

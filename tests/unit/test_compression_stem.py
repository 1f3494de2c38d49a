"""int8 but for the convolutions of the pixels: which they are, and what whitening ones gain by it."""

from typing import get_args

import keras
import numpy as np
import openvino as ov
import pytest
from scipy.ndimage import gaussian_filter

from models import ARCHITECTURES
from models.fast import whiten
from vision.compression_config import Precision
from vision.exporting.converters import export_saved_model, to_openvino
from vision.report.compression_plots import MARKERS
from vision.runtimes.openvino_graph import CONVOLUTIONS, stem
from vision.training.averaging import average_models

SIDE, CLASSES = 16, 3
# As photographs have it: neighbouring pixels are much alike.
NOISE = np.random.default_rng(0).normal(size=(40, SIDE, SIDE, 3))
IMAGES = np.clip(128 + 400 * gaussian_filter(NOISE, (0, 2, 2, 0)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def whitened():
    keras.utils.set_random_seed(0)
    model = ARCHITECTURES["fast"].build((SIDE, SIDE, 3), CLASSES, width=16, widest=32)
    whiten(model, IMAGES)
    return model


def test_the_stem_is_each_convolution_that_no_other_is_before(whitened, tmp_path):
    other = ARCHITECTURES["reference_a"].build((SIDE, SIDE, 3), CLASSES)
    both = average_models([whitened, other], task="multi_class")
    model = ov.convert_model(str(export_saved_model(both, tmp_path / "model")))
    found = stem(model)
    kernels = {
        tuple(operation.input(1).get_partial_shape().to_shape())
        for operation in model.get_ordered_ops()
        if operation.get_friendly_name() in found
    }
    assert kernels == {(24, 3, 2, 2), (64, 3, 3, 3)}


def test_every_precision_has_a_marker_of_its_own_in_the_report():
    assert len(set(MARKERS.values())) == len(MARKERS)
    assert set(MARKERS) == set(get_args(Precision))


def test_a_float_stem_brings_whitened_int8_nearer_to_float32(whitened, tmp_path):
    saved_model = export_saved_model(whitened, tmp_path / "model")
    expected = to_openvino(saved_model).logits(IMAGES)
    whole, but_stem = (to_openvino(saved_model, IMAGES, float_stem=choice) for choice in (False, True))

    errors = [np.square(runtime.logits(IMAGES) - expected).mean() for runtime in (but_stem, whole)]

    assert errors[0] < 0.5 * errors[1]
    assert (whole.precision, but_stem.precision) == ("int8", "int8_float_stem")
    assert _convolutions_in_float(but_stem._model) == 1 and _convolutions_in_float(whole._model) == 0


def _convolutions_in_float(model):
    return sum(
        operation.get_type_name() in CONVOLUTIONS
        and operation.input(0).get_source_output().get_node().get_type_name() != "FakeQuantize"
        for operation in model.get_ordered_ops()
    )

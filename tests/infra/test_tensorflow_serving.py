"""An export as TensorFlow Serving takes it: layout, signatures, warm-up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from infra.tensorflow_serving.export_check import MAX_WARM_UP_RECORDS, SAVED_MODEL, WARM_UP, check_export
from infra.tensorflow_serving.requests.grpc_client import make_request
from tests.infra.serving_exports import SIDE, export_colours
from vision.bundle import DESCRIPTION, seal
from vision.errors import BundleError

ANSWERS = {"logits": ([None, 3], tf.float32), "probabilities": ([None, 3], tf.float32)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_colours(tmp_path_factory.mktemp("made") / "saved_model")


@pytest.fixture
def export(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "export"))


def reseal(export: Path) -> None:
    description = json.loads((export / DESCRIPTION).read_text())
    del description["files"], description["schema_version"]
    seal(export, description)


def write_warm_up(export: Path, *records: bytes) -> None:
    with tf.io.TFRecordWriter(str(export / "1" / WARM_UP)) as writer:
        for record in records:
            writer.write(record)
    reseal(export)


def log_of(*request: Any) -> bytes:
    log = PredictionLog()
    log.predict_log.request.CopyFrom(make_request("", *request))
    return log.SerializeToString()


def described(specs: Any) -> dict[str, Any]:
    return {name: (spec.shape.as_list(), spec.dtype) for name, spec in specs.items()}


def test_signatures_have_open_rows_and_the_types_that_clients_send(made: Path) -> None:
    signatures = check_export(made).signatures
    assert set(signatures) == {"serving_default", "serving_bytes", "class_names"}
    pixels, files, names = (signatures[name] for name in ("serving_default", "serving_bytes", "class_names"))
    assert described(pixels.inputs) == {"images": ([None, SIDE, SIDE, 3], tf.float32)}
    assert described(files.inputs) == {"encoded": ([None], tf.string)}
    assert described(names.inputs) == {"indices": ([None], tf.int64)}
    assert described(pixels.outputs) == described(files.outputs) == ANSWERS
    assert described(names.outputs) == {"names": ([None], tf.string)}


def test_warm_up_asks_both_ways_of_sending_images(made: Path) -> None:
    pixels, files = check_export(made).warm_up
    assert pixels.model_spec.signature_name == "serving_default"
    assert tf.make_ndarray(pixels.inputs["images"]).shape == (1, SIDE, SIDE, 3)
    assert files.model_spec.signature_name == "serving_bytes"
    assert [file[:2] for file in tf.make_ndarray(files.inputs["encoded"])] == [b"\x89P", b"\xff\xd8"]


def test_an_altered_export_is_not_parsed(export: Path) -> None:
    (export / "1" / SAVED_MODEL).write_bytes(b"other")
    with pytest.raises(BundleError, match="altered"):
        check_export(export)


def test_a_file_without_a_hash_is_refused(export: Path) -> None:
    (export / "1" / "assets" / "beside").write_bytes(b"")
    with pytest.raises(BundleError, match=r"beside is not listed in bundle\.json"):
        check_export(export)


@pytest.mark.parametrize("file", [SAVED_MODEL, "variables/variables.index", WARM_UP])
def test_each_file_of_the_layout_is_missed(export: Path, file: str) -> None:
    (export / "1" / file).unlink()
    reseal(export)
    with pytest.raises(BundleError, match=f"no {file} in"):
        check_export(export)


def test_an_export_has_one_version(export: Path) -> None:
    (export / "2").mkdir()
    with pytest.raises(BundleError, match="2 versions in"):
        check_export(export)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda graph: graph.meta_info_def.tags.remove("serve"), "0 graphs tagged 'serve'"),
        (
            lambda graph: setattr(
                graph.signature_def["class_names"], "method_name", "tensorflow/serving/regress"
            ),
            "class_names is for 'tensorflow/serving/regress'",
        ),
        (
            lambda graph: setattr(
                graph.signature_def["class_names"].inputs["indices"].tensor_shape.dim[0], "size", 1
            ),
            "class_names takes one number of rows only, in indices",
        ),
    ],
    ids=["tag", "method", "rows"],
)
def test_a_graph_that_serving_cannot_batch_is_refused(export: Path, change: Any, problem: str) -> None:
    saved = SavedModel.FromString((export / "1" / SAVED_MODEL).read_bytes())
    change(saved.meta_graphs[0])
    (export / "1" / SAVED_MODEL).write_bytes(saved.SerializeToString())
    reseal(export)
    with pytest.raises(BundleError, match=problem):
        check_export(export)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (b"\xff\xff", "is no PredictionLog"),
        (
            log_of("other", "indices", [1]),
            "signature 'other', there are class_names, serving_bytes, serving_de",
        ),
        (log_of("class_names", "index", [1]), r"is given \['index'\], it takes \['indices'\]"),
        (log_of("class_names", "indices", [1.5]), "float32.* as indices, it takes .*int64"),
        (log_of("serving_default", "images", [[[[0.0] * 3]]]), r"\(1, 1, 1, 3\).* as images"),
    ],
    ids=["record", "signature", "input", "type", "shape"],
)
def test_a_warm_up_that_cannot_be_answered_is_refused(export: Path, record: bytes, problem: str) -> None:
    write_warm_up(export, record)
    with pytest.raises(BundleError, match=problem):
        check_export(export)


def test_a_warm_up_longer_than_serving_reads_is_refused(export: Path) -> None:
    request = log_of("class_names", "indices", np.array([1], np.int64))
    write_warm_up(export, *[request] * MAX_WARM_UP_RECORDS)
    assert len(check_export(export).warm_up) == MAX_WARM_UP_RECORDS == 1000
    write_warm_up(export, *[request] * (MAX_WARM_UP_RECORDS + 1))
    with pytest.raises(BundleError, match="more than 1000 requests"):
        check_export(export)

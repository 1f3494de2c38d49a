"""A `saved_model` export, read as TensorFlow Serving reads it: its layout, signatures and warm-up requests.

TensorFlow Serving says what is wrong with a model when it loads it, on the machine that serves. This says it
before, by the same protos: tensorflow-serving-api's for the warm-up, TensorFlow's for the signatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.bundle import DESCRIPTION, open_bundle
from vision.errors import BundleError

if TYPE_CHECKING:
    import tensorflow as tf
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

SAVED_MODEL, VARIABLES = "saved_model.pb", "variables/variables.index"
WARM_UP = "assets.extra/tf_serving_warmup_requests"
# Of a SavedModel's graphs the one that TensorFlow Serving takes, and the only call that ours are made for.
TAG, PREDICT = "serve", "tensorflow/serving/predict"
# kMaxNumRecords of TensorFlow Serving's saved_model_warmup_util.h: with more it refuses the model.
MAX_WARM_UP_RECORDS = 1000


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs by name, each a tf.TensorSpec whose first dimension, that of the rows, is open.

    `tensors` are the same names' tensors in the graph, such as `serving_default_images:0`.
    """

    inputs: Mapping[str, tf.TensorSpec]
    outputs: Mapping[str, tf.TensorSpec]
    tensors: Mapping[str, str]


@dataclass(frozen=True)
class ServingExport:
    """`folder` is that of the version; `warm_up` the requests, in the order in which they are answered."""

    folder: Path
    signatures: Mapping[str, Signature]
    warm_up: tuple[PredictRequest, ...]

    @property
    def version(self) -> int:
        return int(self.folder.name)


def check_export(export: Path) -> ServingExport:
    """What lies in the folder that `sightline export --format saved_model` made.

    BundleError for a file that was altered or has no hash, before any is parsed; where there is not exactly
    one version; where a file, a signature or a warm-up request is not what TensorFlow Serving takes.
    """
    listed = open_bundle(export)["files"]
    folder = _only_version(export)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(export)) not in listed:
            raise BundleError(f"{path} is not listed in {DESCRIPTION}: remove it, or export again")
    for file in (SAVED_MODEL, VARIABLES, WARM_UP):
        if not (folder / file).is_file():
            raise BundleError(f"no {file} in {folder}: export again, with --format saved_model")
    signatures = read_signatures(folder)
    return ServingExport(folder, signatures, tuple(_warm_up(folder / WARM_UP, signatures)))


def _only_version(export: Path) -> Path:
    versions = [path for path in export.iterdir() if path.name.isdecimal()]
    if len(versions) != 1:
        raise BundleError(
            f"{len(versions)} versions in {export}, an export has one, in a folder named after its number:"
            " export again, with --format saved_model"
        )
    return versions[0]


def read_signatures(folder: Path) -> dict[str, Signature]:
    """The signatures of a version's graph by name; BundleError for one that cannot be asked in batches."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((folder / SAVED_MODEL).read_bytes())
    graphs = [graph for graph in saved.meta_graphs if TAG in graph.meta_info_def.tags]
    if len(graphs) != 1:
        raise BundleError(f"{folder / SAVED_MODEL} has {len(graphs)} graphs tagged {TAG!r}, 1 is needed")
    return signatures_of(graphs[0])


def signatures_of(graph: Any) -> dict[str, Signature]:
    """Those of a MetaGraphDef but for Keras' own bookkeeping, whose names begin with two underscores."""
    found = {}
    for name, signature in sorted(graph.signature_def.items()):  # a map of protobuf has no order
        if name.startswith("__"):
            continue
        if signature.method_name != PREDICT:
            raise BundleError(f"signature {name} is for {signature.method_name!r}, {PREDICT!r} is needed")
        inputs, outputs = (
            {key: _spec(info) for key, info in sorted(side.items())} for side in _sides(signature)
        )
        closed = [
            key for key, spec in (inputs | outputs).items() if not spec.shape[:1].is_compatible_with([7])
        ]
        if closed:
            raise BundleError(f"signature {name} takes one number of rows only, in {', '.join(closed)}")
        tensors = {key: info.name for side in _sides(signature) for key, info in side.items()}
        found[name] = Signature(inputs, outputs, tensors)
    return found


def _sides(signature: Any) -> tuple[Any, Any]:
    return signature.inputs, signature.outputs


def _spec(info: Any) -> tf.TensorSpec:
    import tensorflow as tf

    return tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype))


def _warm_up(path: Path, signatures: Mapping[str, Signature]) -> Iterator[PredictRequest]:
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    for index, record in enumerate(tf.data.TFRecordDataset(str(path))):
        try:
            log = PredictionLog.FromString(record.numpy())
        except DecodeError as error:
            raise BundleError(f"record {index} of {path} is no PredictionLog: export again") from error
        if index >= MAX_WARM_UP_RECORDS:
            raise BundleError(f"more than {MAX_WARM_UP_RECORDS} requests in {path}, which refuses the model")
        if problem := _problem(log.predict_log.request, signatures):
            raise BundleError(f"record {index} of {path} cannot be answered: {problem}; export again")
        yield log.predict_log.request


def _problem(request: PredictRequest, signatures: Mapping[str, Signature]) -> str | None:
    """What is wrong with a request to these signatures, None where they answer it."""
    import tensorflow as tf

    name = request.model_spec.signature_name
    if name not in signatures:
        return f"signature {name!r}, there are {', '.join(sorted(signatures))}"
    expected = signatures[name].inputs
    if request.inputs.keys() != expected.keys():
        return f"{name} is given {sorted(request.inputs)}, it takes {sorted(expected)}"
    for key, tensor in request.inputs.items():
        given = tf.TensorSpec(tf.TensorShape(tensor.tensor_shape), tf.dtypes.as_dtype(tensor.dtype))
        if not expected[key].is_compatible_with(given):
            return f"{name} is given {given} as {key}, it takes {expected[key]}"
    return None

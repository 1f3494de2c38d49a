"""A version's graph run by TensorFlow's C library alone, in a process that never imports TensorFlow's Python.

TensorFlow Serving and the Go back end load a SavedModel by this library's code. The wheel of TensorFlow
carries it: libtensorflow_cc, whose functions c_api.h beside it declares.
"""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.errors import BundleError

Pixels = NDArray[np.float32]
FLOAT = 1  # TF_FLOAT of tf_datatype.h
ROOT = Path(__file__).resolve().parents[2]


class _Buffer(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


class _Output(ctypes.Structure):
    _fields_ = (("operation", c_void_p), ("index", c_int))


def run_by_c_library(
    folder: Path, images: Pixels, *, source: str, results: Sequence[str]
) -> tuple[bytes, list[Pixels]]:
    """The MetaGraphDef of a version's folder, serialized, and the tensors `results`, float32, for `images`.

    `source` and `results` are the graph's own names, such as `serving_default_images:0`. BundleError where
    the library refuses the folder or the request, with its message.
    """
    with tempfile.TemporaryDirectory() as temporary:
        exchange = Path(temporary)
        np.save(exchange / "images.npy", images)
        command = [sys.executable, "-m", __name__, str(folder), temporary, source, *results]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise BundleError(f"TensorFlow's C library did not run {folder}: {last}")
        tensors = [np.load(exchange / f"{index}.npy") for index in range(len(results))]
        return (exchange / "meta_graph.pb").read_bytes(), tensors


def _main(folder: str, exchange: Path, source: str, results: Sequence[str]) -> None:
    library = _library()
    status, graph, meta_graph = c_void_p(library.TF_NewStatus()), c_void_p(library.TF_NewGraph()), _Buffer()
    tags = (c_char_p * 1)(b"serve")
    session = library.TF_LoadSessionFromSavedModel(
        c_void_p(library.TF_NewSessionOptions()), None, folder.encode(), tags, 1, graph,
        ctypes.byref(meta_graph), status,
    )  # fmt: skip
    _check(library, status)
    (exchange / "meta_graph.pb").write_bytes(ctypes.string_at(meta_graph.data, meta_graph.length))
    given = c_void_p(_tensor(library, np.load(exchange / "images.npy")))
    inputs, outputs = _outputs(library, graph, [source]), _outputs(library, graph, results)
    values = (c_void_p * len(results))()
    library.TF_SessionRun(
        c_void_p(session), None, inputs, ctypes.byref(given), 1, outputs, values, len(results), None, 0,
        None, status,
    )  # fmt: skip
    _check(library, status)
    for index, value in enumerate(values):
        np.save(exchange / f"{index}.npy", _array(library, c_void_p(value)))


def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("tensorflow")  # finds, and does not import
    assert spec is not None and spec.origin is not None
    (path,) = Path(spec.origin).parent.glob("libtensorflow_cc.*")
    library = ctypes.CDLL(str(path))
    for name in ("NewStatus", "NewGraph", "NewSessionOptions", "LoadSessionFromSavedModel", "AllocateTensor",
                 "TensorData", "GraphOperationByName"):  # fmt: skip
        getattr(library, f"TF_{name}").restype = c_void_p
    library.TF_Message.restype = c_char_p
    library.TF_Dim.restype = c_int64
    library.TF_AllocateTensor.argtypes = [c_int, POINTER(c_int64), c_int, c_size_t]
    return library


def _check(library: ctypes.CDLL, status: c_void_p) -> None:
    if library.TF_GetCode(status):
        sys.exit(library.TF_Message(status).decode().replace("\n", " "))


def _outputs(library: ctypes.CDLL, graph: c_void_p, names: Sequence[str]) -> ctypes.Array[_Output]:
    """The places in the graph of names such as `StatefulPartitionedCall:1`."""
    places = (_Output * len(names))()
    for place, name in zip(places, names, strict=True):
        operation, _, index = name.partition(":")
        place.operation = library.TF_GraphOperationByName(graph, operation.encode())
        place.index = int(index)
        if not place.operation:
            sys.exit(f"no operation {operation} in the graph")
    return places


def _tensor(library: ctypes.CDLL, array: Pixels) -> int:
    shape = (c_int64 * array.ndim)(*array.shape)
    tensor: int = library.TF_AllocateTensor(FLOAT, shape, array.ndim, array.nbytes)
    ctypes.memmove(library.TF_TensorData(c_void_p(tensor)), array.tobytes(), array.nbytes)
    return tensor


def _array(library: ctypes.CDLL, tensor: c_void_p) -> Pixels:
    if library.TF_TensorType(tensor) != FLOAT:
        sys.exit(f"a tensor of type {library.TF_TensorType(tensor)}, float32 is read here")
    shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
    data = ctypes.string_at(library.TF_TensorData(tensor), 4 * int(np.prod(shape)))
    return np.frombuffer(data, np.float32).reshape(shape)


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])

"""A LiteRT file cut in two at one of its tensors: two files in memory, made when an explanation is asked for.

An interpreter runs a file from its inputs to its outputs and no other way. The file that serves stays as it
is; of the two, the first has its operations up to the tensor, the second those behind it in float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import BufferT, TensorType
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray

QUANTISED = {TensorType.INT8: np.int8, TensorType.INT32: np.int32}  # weights and activations; biases
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


def tensors_of_shape(file: bytes, shape: tuple[int, ...]) -> list[int]:
    """The indices of the tensors (N, *shape) that operations give, in order; none of a file with branches."""
    model = flatbuffer_utils.read_model_from_bytearray(file)
    if len(model.subgraphs) > 1:  # one for each branch of an `if` or `while`
        return []
    graph = model.subgraphs[0]
    given = [tensor for operator in graph.operators for tensor in operator.outputs]
    return [tensor for tensor in given if tuple(graph.tensors[tensor].shape)[1:] == shape]


def up_to(file: bytes, tensor: int) -> bytes:
    """The file's operations from its input to that tensor, unaltered."""
    model = flatbuffer_utils.read_model_from_bytearray(file)
    graph = model.subgraphs[0]
    graph.operators, _ = _needed(graph.operators, [tensor])
    graph.outputs = [tensor]
    return _pack(model)


def behind(file: bytes, tensor: int) -> bytes | None:
    """The operations from that tensor to the file's output, in float32; None where they need more than it."""
    model = flatbuffer_utils.read_model_from_bytearray(file)
    graph = model.subgraphs[0]
    operators, wanted = _needed(graph.operators, graph.outputs, given=tensor)
    if wanted & set(graph.inputs):
        return None
    graph.inputs, graph.operators = [tensor], operators
    _drop_conversions(model)
    for index in {tensor, *graph.outputs, *_used(graph.operators)}:
        _to_float(model, graph.tensors[index])
    return _pack(model)


def _needed(
    operators: list[Any], outputs: Iterable[int], *, given: int | None = None
) -> tuple[list[Any], set[int]]:
    """The operations that the outputs follow from, and every tensor that these take or give."""
    needed, wanted = [], set(outputs)
    for operator in reversed(operators):
        if wanted.intersection(operator.outputs) and given not in operator.outputs:
            needed.append(operator)
            wanted.update(operator.inputs)
    return needed[::-1], wanted


def _used(operators: list[Any]) -> set[int]:
    """-1 stands for an input that is left out."""
    return {index for operator in operators for index in (*operator.inputs, *operator.outputs) if index >= 0}


def _drop_conversions(model: Any) -> None:
    """Takes out what turns float32 to int8 and back: in float32 both sides are one tensor."""
    graph, kept = model.subgraphs[0], []
    same: dict[int, int] = {}  # what a conversion gives -> what it takes
    for operator in graph.operators:
        operator.inputs = [same.get(index, index) for index in operator.inputs]
        if flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) in CONVERSIONS:
            same[operator.outputs[0]] = operator.inputs[0]
        else:
            kept.append(operator)
    graph.operators, graph.outputs = kept, [same.get(index, index) for index in graph.outputs]


def _to_float(model: Any, tensor: Any) -> None:
    """Makes a quantised tensor one of float32; its constant values, if it has any, what they stand for."""
    quantization = tensor.quantization
    if tensor.type not in QUANTISED or quantization is None or quantization.scale is None:
        return
    constant = model.buffers[tensor.buffer].data
    if constant is not None:
        integers = np.frombuffer(constant, QUANTISED[tensor.type]).reshape(tuple(tensor.shape))
        values = _dequantise(integers, quantization)
        tensor.buffer = len(model.buffers)
        model.buffers.append(BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
    tensor.type, tensor.quantization = TensorType.FLOAT32, None


def _dequantise(integers: NDArray[Any], quantization: Any) -> NDArray[np.float32]:
    """Scale * (integer - zero point), of the whole tensor or of each slice along one axis."""
    shape = [1] * integers.ndim
    if integers.ndim:
        shape[quantization.quantizedDimension] = -1
    scale, zero = (np.reshape(each, shape) for each in (quantization.scale, quantization.zeroPoint))
    values: NDArray[np.float32] = (scale * (integers.astype(np.float64) - zero)).astype(np.float32)
    return values


def _pack(model: Any) -> bytes:
    model.signatureDefs = None  # they name inputs and outputs of before
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))

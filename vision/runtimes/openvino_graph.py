"""An OpenVINO model cut in two at one of its tensors, which carries a mark in the model's own file.

The graph that serves is not altered but for that name; the two are made of copies of it, when an explanation
is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13

MARK = "sightline_features"
CONVOLUTIONS = frozenset({"Convolution", "GroupConvolution"})


@dataclass(frozen=True)
class Place:
    """An operation, by its name, whose first output is (N, C, h, w) or (N, h, w, C)."""

    operation: str
    channels_first: bool

    @property
    def mark(self) -> str:
        """The tensor's name in the file."""
        return f"{MARK}_{'nchw' if self.channels_first else 'nhwc'}"


def places_of_shape(model: ov.Model, shape: tuple[int, ...]) -> list[Place]:
    """Where the model computes maps of that shape (h, w, C)."""
    height, width, channels = shape
    layouts = {(channels, height, width): True, (height, width, channels): False}
    operations = [operation for operation in model.get_ordered_ops() if operation.get_output_size()]
    shapes = [(operation, _shape(operation.output(0))) for operation in operations]
    return [
        Place(operation.get_friendly_name(), layouts[shape])
        for operation, shape in shapes
        if shape in layouts
    ]


def stem(model: ov.Model) -> list[str]:
    """Names of the convolutions of the pixels: those with no other between them and the input."""
    names, behind = [], set[str]()
    for operation in model.get_ordered_ops():
        name = operation.get_friendly_name()
        if any(value.get_node().get_friendly_name() in behind for value in operation.input_values()):
            behind.add(name)
        elif operation.get_type_name() in CONVOLUTIONS:
            names.append(name)
            behind.add(name)
    return names


def marked(model: ov.Model, place: Place) -> ov.Model:
    """A copy of the model in which that tensor has its mark."""
    copy = model.clone()
    _output(copy, place).get_tensor().set_names({place.mark})
    return copy


def marked_place(model: ov.Model) -> Place | None:
    """The place that `marked` was told, also after saving and loading."""
    for operation in model.get_ordered_ops():
        for channels_first in (True, False):
            place = Place(operation.get_friendly_name(), channels_first)
            if any(place.mark in output.get_names() for output in operation.outputs()):
                return place
    return None


def up_to(model: ov.Model, place: Place) -> ov.Model:
    """The graph from its input to that place, and nothing else.

    Not several places at once, nor the logits too: of an int8 model OpenVINO 2026.4 then gives zeros.
    """
    copy = model.clone()
    return ov.Model([opset13.result(_output(copy, place))], copy.get_parameters())


def behind(model: ov.Model, place: Place) -> ov.Model | None:
    """The graph from that place to the logits, in float32; None where they need more than it."""
    copy = model.clone()
    output = _output(copy, place)
    maps = opset13.parameter(output.get_partial_shape(), ov.Type.f32)
    for target in output.get_target_inputs():
        target.replace_source_output(maps.output(0))
    for operation in copy.get_ordered_ops():
        _to_float(operation)
    try:
        return ov.Model(copy.get_results(), [maps])
    except RuntimeError:  # "Model references undeclared parameters"
        return None


def _to_float(operation: Any) -> None:
    """Takes out what rounds activations to int8, and makes int8 weights the float32 that they stand for.

    Weights of int8 beside activations of float32 OpenVINO 2026.4 takes for those of a compressed language
    model: it rounds the activations again, and fails to compile squeeze-and-excitation.
    """
    if operation.get_type_name() == "FakeQuantize":
        operation.output(0).replace(operation.input_value(0))
    elif operation.get_type_name() == "Convert":
        integers = operation.input_value(0).get_node()
        if integers.get_type_name() == "Constant":
            operation.output(0).replace(opset13.constant(integers.get_data().astype(np.float32)).output(0))


def _shape(output: Any) -> tuple[int, ...]:
    """Without N; () of what is not of four axes with three known."""
    shape = output.get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != 4 or any(side.is_dynamic for side in list(shape)[1:]):
        return ()
    return tuple(side.get_length() for side in list(shape)[1:])


def _output(model: ov.Model, place: Place) -> Any:
    return next(
        operation.output(0)
        for operation in model.get_ordered_ops()
        if operation.get_friendly_name() == place.operation
    )

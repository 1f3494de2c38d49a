"""Where a Keras network can be cut in two: images -> feature maps -> logits.

What explains a network needs that place: Grad-CAM takes gradients there, ReciproCAM hides parts of what
flows through it, and the export looks for the same place in the compiled model.
"""

from __future__ import annotations

from typing import Any

import keras

# A map of fewer cells a side cannot say where: small images are pooled down to 2 x 2 or 1 x 1.
MIN_CELLS = 4


def feature_map(model: keras.Model) -> Any | None:
    """The last symbolic (N, h, w, C) tensor of 4 x 4 cells or more through which all must pass.

    Where every map is smaller, the last of more than one cell. None where there is none, or where the model
    is no graph.
    """
    tensors = [
        tensor for tensor in _tensors(model) if len(tensor.shape) == 4 and None not in tensor.shape[1:3]
    ]
    for cells in (MIN_CELLS, 2):
        fine = (tensor for tensor in reversed(tensors) if min(tensor.shape[1:3]) >= cells)
        found = next((tensor for tensor in fine if _decides_alone(tensor, model)), None)
        if found is not None:
            return found
    return None


def split_in_two(model: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """Images (N, H, W, 3) -> feature maps (N, h, w, C), and these -> logits (N, K); None as feature_map."""
    features = feature_map(model)
    if features is None:
        return None
    return keras.Model(model.input, features), keras.Model(features, model.output)


def _decides_alone(tensor: Any, model: keras.Model) -> bool:
    """Whether the logits follow from that tensor: not from half of a block whose shortcut goes around it."""
    try:
        keras.Model(tensor, model.output)
    except ValueError:  # "Output is not connected to inputs"
        return False
    return True


def _tensors(model: keras.Model) -> list[Any]:
    """What the operations of the model's own graph give, in order.

    From the graph and not from each layer's `output`: that of a nested model belongs to another graph
    (tf-keras-vis#63), that of a shared layer is not unique. A subclassed model has no graph.
    """
    graph = getattr(model, "_functional", None) or model  # a Sequential keeps its graph there
    by_depth: dict[int, list[Any]] = getattr(graph, "_nodes_by_depth", {})
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [tensor for node in nodes if not _adds_nothing(node) for tensor in node.outputs]


def _adds_nothing(node: Any) -> bool:
    """An input, or padding: its border would shift the map against the image."""
    return bool(node.is_input) or isinstance(node.operation, keras.layers.ZeroPadding2D)

"""How large a network is and how much it computes: what models are compared by beside their accuracy."""

from __future__ import annotations

from math import prod
from typing import Any

import keras
from keras import layers

# Nearly all of the work; batch norm, activations, pooling and additions are left out, as in the papers.
COUNTED = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense)


def parameters(model: keras.Model) -> int:
    """Numbers that the model stores, the moving statistics of batch norm among them, as Keras counts them."""
    return int(model.count_params())


def flops(model: keras.Model, image_shape: tuple[int, int, int] | None = None) -> int:
    """Operations for one image (H, W, 3): a multiplication and an addition for each weight at each place.

    Twice the "FLOPs" or multiply-adds of most papers. Counted are 2-D convolutions, also depthwise and
    separable, and dense layers, without their biases. `image_shape` is needed where the model's has None;
    ValueError without it. Channels come last.
    """
    height_width_channels = image_shape or model.input_shape[1:]
    if None in height_width_channels:
        raise ValueError(f"the model takes images of any size {model.input_shape[1:]}: give image_shape")
    return _flops(model, keras.KerasTensor((1, *height_width_channels)))


def _flops(model: keras.Model, inputs: Any) -> int:
    total = 0

    def count(operation: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal total
        outputs = operation.compute_output_spec(*args, **kwargs)
        if isinstance(operation, keras.Model):  # a nested one
            total += _flops(operation, args[0])
        elif isinstance(operation, COUNTED):
            kernels = [weight for weight in operation.weights if len(weight.shape) > 1]
            places = prod(outputs.shape[:-1])  # of several images where the model makes views of one
            total += 2 * places * sum(prod(kernel.shape) for kernel in kernels)
        return outputs

    # Keras' own walk through a graph: shapes follow from the inputs, and no weight is touched.
    graph = getattr(model, "_functional", None) or model  # a Sequential keeps its graph there
    graph._run_through_graph(inputs, call_fn=count)
    return total

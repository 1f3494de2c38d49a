"""Several networks, or several views of an image, as one graph: pixels in, logits of mean probabilities out.

Export, quantisation and serving take such a network like any other. Its members are nested, so no feature map
is found in it: explanations ask the network behind a mirror, and fall back to occlusion for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from vision.task import Task

# float32's epsilon, about: a probability below it is as good as none. From plain probabilities and not
# from their logarithms: in int8 the latter have steps of 1/16.
SMALLEST = 1e-7
TestTimeAugmentation = Literal["none", "flip", "flip_and_shift"]
ENSEMBLE, MIRRORED = "ensemble", "mirrored"  # the names by which they are known again


@keras.saving.register_keras_serializable(package="sightline")
class MeanSoftmax(keras.layers.Layer):
    """Logits (N, K) whose softmax is the mean of that of `views` logits (N, K), given as (views * N, K)."""

    def __init__(self, views: int, **settings: Any) -> None:
        super().__init__(**settings)
        self._views = views

    def call(self, logits: Any) -> Any:
        return ops.log(ops.maximum(_mean(ops.softmax(logits), self._views), SMALLEST))

    def compute_output_shape(self, logits_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (None, logits_shape[-1])  # JAX cannot divide a number of images that it does not know yet

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "views": self._views}


@keras.saving.register_keras_serializable(package="sightline")
class MeanSigmoid(MeanSoftmax):
    """The same of the sigmoid."""

    def call(self, logits: Any) -> Any:
        present = _mean(ops.sigmoid(logits), self._views)
        return ops.log(ops.maximum(present, SMALLEST)) - ops.log(ops.maximum(1.0 - present, SMALLEST))


@keras.saving.register_keras_serializable(package="sightline")
class WithMirrorImages(keras.layers.Layer):
    """Images (2N, H, W, C): those given, (N, H, W, C), then the same with left and right exchanged."""

    def call(self, images: Any) -> Any:
        return ops.concatenate([images, ops.flip(images, axis=2)])


@keras.saving.register_keras_serializable(package="sightline")
class WithShiftedImages(keras.layers.Layer):
    """Images (3N, H, W, C): those given, (N, H, W, C), then the same a pixel further down and right, then a
    pixel further up and left; the edge is repeated.
    """

    def call(self, images: Any) -> Any:
        down, up = images, images
        for axis in (1, 2):
            down, up = _shifted(down, axis, 1), _shifted(up, axis, -1)
        return ops.concatenate([images, down, up])


def average_models(models: Sequence[keras.Model], *, task: Task) -> keras.Model:
    """One network whose probabilities are the mean of those of the models, of which it holds copies.

    The models take images of one size and know the same classes in the same order.
    """
    inputs = keras.Input(models[0].input_shape[1:])
    members = [copy_of(model, f"member_{place}") for place, model in enumerate(models)]
    logits = keras.layers.Concatenate(axis=0)([member(inputs) for member in members])
    return keras.Model(inputs, _mean_layer(len(models), task)(logits), name=ENSEMBLE)


def members_of(model: keras.Model) -> list[keras.Model]:
    """The networks that an ensemble is the mean of, also below test-time augmentation; else none."""
    nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if model.name == ENSEMBLE:
        return nested
    return [member for layer in nested for member in members_of(layer)]


def with_views(model: keras.Model, augmentation: TestTimeAugmentation, *, task: Task) -> keras.Model:
    """What TrainConfig.test_time_augmentation makes of a network."""
    if augmentation == "none":
        return model
    return mirrored(model, task=task, shifted=augmentation == "flip_and_shift")


def mirrored(model: keras.Model, *, task: Task, shifted: bool = False) -> keras.Model:
    """Test-time augmentation: the mean of what `model` says of an image and of its mirror image.

    With `shifted` also of both a pixel further down and right, and up and left (Jordan 2024, section 3.5).
    """
    images = keras.Input(model.input_shape[1:])
    views = WithMirrorImages()(images)
    if shifted:
        views = WithShiftedImages()(views)
    logits = model(views)  # in one batch: in two, OpenVINO would hold two models
    both_ways = keras.Model(images, _mean_layer(6 if shifted else 2, task)(logits), name="both_ways")
    # Nested once more: in the outer graph Grad-CAM would take the mirror images for a feature map.
    inputs = keras.Input(model.input_shape[1:])
    return keras.Model(inputs, both_ways(inputs), name=MIRRORED)


def behind_mirror(model: keras.Model) -> keras.Model | None:
    """The network whose answers to an image and its mirror image `model` averages; None where it does not."""
    return None if model.name != MIRRORED else _nested(_nested(model))


def is_shifted(model: keras.Model) -> bool:
    """Whether `mirrored` made it with `shifted`."""
    return model.name == MIRRORED and any(
        isinstance(layer, WithShiftedImages) for layer in _nested(model).layers
    )


def _nested(model: keras.Model) -> keras.Model:
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def _shifted(images: Any, axis: int, by: int) -> Any:
    """Images one pixel further along the axis, or back; by slices, which all formats have."""
    first, last = ([slice(None)] * axis + [part] for part in (slice(0, 1), slice(-1, None)))
    start, end = ([slice(None)] * axis + [part] for part in (slice(0, -1), slice(1, None)))
    if by > 0:
        return ops.concatenate([images[tuple(first)], images[tuple(start)]], axis=axis)
    return ops.concatenate([images[tuple(end)], images[tuple(last)]], axis=axis)


def _mean_layer(views: int, task: Task) -> MeanSoftmax:
    kind = MeanSigmoid if task == "multi_label" else MeanSoftmax
    return kind(views, dtype="float32", name="logits")


def _mean(probabilities: Any, views: int) -> Any:
    return ops.mean(ops.reshape(probabilities, (views, -1, probabilities.shape[-1])), axis=0)


def copy_of(model: keras.Model, name: str) -> keras.Model:
    """The same network under another name, which within a graph must be its own."""
    copy = model.from_config({**model.get_config(), "name": name})
    copy.set_weights(model.get_weights())
    return copy

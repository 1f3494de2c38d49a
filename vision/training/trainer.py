"""What `fit` trains: augmentation on the device, then the model, with targets that mixing has mixed."""

from __future__ import annotations

from typing import Any

import keras
from keras import KerasTensor, ops

from vision.augmentation import augmentation_layers, is_mixing
from vision.augmentation_policy import AugmentationPolicy
from vision.training.objective import Objective
from vision.training.several_workers import share_batch_norm, share_gradients, this_worker
from vision.training.stages import Stage
from vision.training.teacher import SOFT_WEIGHT, Teacher, soft_loss


class Trainer(keras.Model):
    """Shares its weights with `model`; for `fit` and `evaluate` alone, never saved.

    From {"images": (N, H, W, 3) uint8, "targets": (N, K) float32} to {"logits": (N, K), "targets": (N, K)}.
    Targets are inputs because MixUp and CutMix change them together with the images: the loss and the
    metrics read them from the output. So accuracy in training is measured against the class that has
    the larger share of a mixed image, and in validation, where nothing is changed, against its own.
    In training with a teacher, its logits are a third output, and weigh most in the loss.
    """

    def __init__(
        self,
        model: keras.Model,
        policy: AugmentationPolicy,
        *,
        seed: int,
        objective: Objective,
        optimizer: keras.optimizers.Optimizer,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__(name="trainer")
        self._classifier = model
        self._augmentation = augmentation_layers(policy, seed=seed)
        for layer in self._augmentation:
            _say_whether_xla_compiles(layer)
        self._class_weights = objective.class_weights
        self._teacher = teacher
        self._stage = Stage()
        self._worker = this_worker()
        self.built = True  # `model` is, and augmentation has no weights
        if any(layer.compute_dtype == "float16" for layer in model._flatten_layers()):
            # Keras would add it for a Trainer of mixed precision, which would round pixels and targets too.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        if self._worker.count > 1:
            share_gradients(optimizer, self._worker)
            share_batch_norm(model, self._worker)
        # "auto" compiles by XLA on JAX and on TensorFlow's GPUs, where all layers can be; on TensorFlow's CPU
        # it would train slower (235 against 297 images a second).
        # Exchanges with other workers are left out of XLA.
        compiles = "auto" if self._worker.count == 1 else False
        self.compile(
            optimizer=optimizer, loss=objective.loss, metrics=[objective.score], jit_compile=compiles
        )

    def enter(self, stage: Stage) -> None:
        """The batches from now on are of this stage."""
        if stage != self._stage:
            self._stage = stage
            self.make_train_function(force=True)  # a compiled one would stay in the old stage

    def call(self, batch: dict[str, Any], training: bool = False) -> dict[str, Any]:
        # Cast here: a quarter of the bytes travel to the device.
        augmented = {"images": ops.cast(batch["images"], "float32"), "labels": batch["targets"]}
        if training:
            augmented["images"] = self._resized(augmented["images"])
            for layer in self._augmentation:
                if self._stage.mixes or not is_mixing(layer):
                    augmented = layer(augmented, training=True)
            augmented = {name: self._worker.own(values) for name, values in augmented.items()}
        logits = self._classifier(augmented["images"], training=training)
        outputs = {"logits": logits, "targets": augmented["labels"]}
        if training and self._teacher is not None:
            outputs["teacher"] = self._teacher.logits(augmented["images"])
        return outputs

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> KerasTensor:
        targets, logits = y_pred["targets"], y_pred["logits"]
        if training and self._class_weights is not None:
            sample_weight = ops.matmul(targets, ops.convert_to_tensor(self._class_weights)[:, None])[:, 0]
        if not training or self._teacher is None:
            return super().compute_loss(x, targets, logits, sample_weight, training)
        # As weights of images, because what layers add to the loss (L2) keeps its own.
        weights = ops.ones_like(targets[:, 0]) if sample_weight is None else sample_weight
        loss = super().compute_loss(x, targets, logits, (1.0 - SOFT_WEIGHT) * weights, training)
        return loss + SOFT_WEIGHT * soft_loss(y_pred["teacher"], logits, self._teacher.task)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        metrics: dict[str, Any] = super().compute_metrics(
            x, y_pred["targets"], y_pred["logits"], sample_weight
        )
        return metrics

    def get_metrics_result(self) -> dict[str, Any]:
        """At the end of an epoch over the images of all workers, within a step over this one's."""
        if self._worker.exchange is not None:
            self._worker.exchange.add_up(self.metrics_variables)
        metrics: dict[str, Any] = super().get_metrics_result()
        return metrics

    def _resized(self, images: Any) -> Any:
        if self._stage.size is None:
            return images
        return ops.image.resize(images, self._stage.size, interpolation="bilinear", antialias=True)


def _say_whether_xla_compiles(layer: keras.layers.Layer) -> None:
    """Corrects `supports_jit`, by which Keras' jit_compile="auto" decides.

    TensorFlow 2.21 has no XLA kernel for ImageProjectiveTransformV3, which rotates, shears, shifts and
    zooms, nor for StatelessRandomGammaV3, which mixing draws from. Keras 3.15 knows the first, and
    refuses it on the other backends too, which can; it does not know the second.
    """
    is_tensorflow = keras.backend.backend() == "tensorflow"
    mixes = (keras.layers.MixUp, keras.layers.CutMix)
    for part in layer._flatten_layers():
        part.supports_jit = (part.supports_jit and not isinstance(part, mixes)) or not is_tensorflow

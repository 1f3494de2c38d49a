"""The learning rate over a training: warm-up and fall, in one cycle or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from vision.training.layer_rates import with_rates
from vision.training_config import TrainConfig


class WarmUpAndFall(keras.optimizers.schedules.LearningRateSchedule):
    """From 0 to `peak` in a straight line, then to 0 by half a cosine or a line; `cycles` times.

    Keras asks with the number of the batch: with gradient accumulation `batches_per_step` of them make one
    of the `steps`.
    """

    def __init__(
        self,
        peak: float,
        *,
        steps: int,
        warm_up_share: float,
        cycles: int = 1,
        shape: str = "cosine",
        batches_per_step: int = 1,
    ) -> None:
        super().__init__()
        self._peak, self._shape, self._cycles = peak, shape, cycles
        self._batches_per_step = batches_per_step
        self._cycle_steps = max(1, steps // cycles)
        self._warm_up = warm_up_share * self._cycle_steps

    def __call__(self, step: Any) -> Any:
        step = step // self._batches_per_step
        # The last cycle also takes what the division left over.
        cycle = ops.minimum(step // self._cycle_steps, self._cycles - 1)
        place = ops.cast(step - cycle * self._cycle_steps, "float32") + 1.0
        rise = place / max(self._warm_up, 1.0)
        left = ops.clip(1.0 - (place - self._warm_up) / (self._cycle_steps - self._warm_up + 1.0), 0.0, 1.0)
        fall = left if self._shape == "linear" else 0.5 - 0.5 * ops.cos(left * 3.14159265)
        return self._peak * ops.minimum(rise, fall)


class InverseTimeDecay(keras.callbacks.Callback):
    """Divides the rate by 1 + decay * step: what Keras 2 called `decay`, applied once an epoch.

    A factor from epoch to epoch, so that ReduceLROnPlateau may change the same rate. Within an epoch of
    1,000 steps the reference's 1e-6 would change it by a thousandth.
    """

    def __init__(self, decay: float, *, steps_per_epoch: int) -> None:
        super().__init__()
        self._decay, self._steps = decay, steps_per_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        before, after = (1 + self._decay * number * self._steps for number in (epoch, epoch + 1))
        optimizer = self.model.optimizer
        optimizer.learning_rate = float(ops.convert_to_numpy(optimizer.learning_rate)) * before / after


class RateRecord(keras.callbacks.Callback):
    """Puts `learning_rate`, as it is at the end of the epoch, into the history."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))


def learning_rate(
    config: TrainConfig, *, total_steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """What an optimizer takes: a schedule, or with `plateau` the number that callbacks change."""
    if config.schedule == "plateau":
        return config.learning_rate
    return WarmUpAndFall(
        config.learning_rate,
        steps=max(1, total_steps // config.accumulate),
        warm_up_share=config.warm_up_share,
        cycles=config.cycles,
        shape=config.schedule,
        batches_per_step=config.accumulate,
    )


def rate_callbacks(config: TrainConfig, *, steps_per_epoch: int) -> list[keras.callbacks.Callback]:
    """Those that change the rate of the `plateau` schedule, and for all one that records it."""
    if config.schedule != "plateau":
        return [RateRecord()]
    plateau = keras.callbacks.ReduceLROnPlateau(
        "val_loss", factor=config.plateau_factor, patience=config.plateau_patience
    )
    steps = steps_per_epoch // config.accumulate
    return [plateau, InverseTimeDecay(config.rate_decay, steps_per_epoch=steps), RateRecord()]


def build_optimizer(
    config: TrainConfig, *, total_steps: int, rates: Mapping[str, float] | None = None
) -> keras.optimizers.Optimizer:
    """The optimizer of the configuration, with its schedule, clipping, averaging and accumulation.

    `rates`: path of a variable -> factor of its learning rate and weight decay.
    """
    kinds = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
    nesterov = {"momentum": 0.9, "nesterov": True} if config.optimizer == "sgd" else {}
    # AdamW wants a number; to the others 0 would be an operation a variable a step.
    decay = config.weight_decay if config.optimizer == "adamw" else config.weight_decay or None
    kind = kinds[config.optimizer]
    return (with_rates(kind, rates) if rates else kind)(
        learning_rate(config, total_steps=total_steps),
        weight_decay=decay,
        global_clipnorm=config.clip_norm,
        use_ema=config.ema_decay is not None,
        # Keras averages after every batch, also after those that only accumulate.
        ema_momentum=(config.ema_decay or 0.99) ** (1 / config.accumulate),
        gradient_accumulation_steps=config.accumulate if config.accumulate > 1 else None,
        **nesterov,
    )

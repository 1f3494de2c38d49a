"""The learning rate, step by step."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from vision.training.schedule import (
    InverseTimeDecay,
    RateRecord,
    WarmUpAndFall,
    build_optimizer,
    learning_rate,
    rate_callbacks,
)
from vision.training_config import TrainConfig


def rates(schedule, count):
    return [float(schedule(step)) for step in range(count)]


def test_linear_schedule_rises_and_falls_in_equal_steps():
    schedule = WarmUpAndFall(0.9, steps=10, warm_up_share=0.2, shape="linear")
    assert rates(schedule, 10) == pytest.approx([0.45, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], abs=1e-6)


def test_cosine_schedule_is_half_way_down_at_half_of_the_fall():
    schedule = WarmUpAndFall(1.0, steps=9, warm_up_share=0.0)
    falling = rates(schedule, 9)
    assert falling == sorted(falling, reverse=True)
    assert falling[4] == pytest.approx(0.5, abs=1e-6)
    assert falling[0] + falling[8] == pytest.approx(1.0, abs=1e-6)


def test_schedule_without_warm_up_begins_below_its_peak_and_ends_above_0():
    schedule = WarmUpAndFall(1.0, steps=4, warm_up_share=0.0, shape="linear")
    assert rates(schedule, 4) == pytest.approx([0.8, 0.6, 0.4, 0.2], abs=1e-6)


def test_schedule_restarts_in_each_cycle():
    once = WarmUpAndFall(1.0, steps=5, warm_up_share=0.2)
    twice = WarmUpAndFall(1.0, steps=10, warm_up_share=0.2, cycles=2)
    assert rates(twice, 10) == pytest.approx(2 * rates(once, 5))


def test_schedule_is_0_where_training_goes_on_after_it():
    assert rates(WarmUpAndFall(1.0, steps=4, warm_up_share=0.5, shape="linear"), 6)[4:] == [0.0, 0.0]


def test_schedule_counts_optimizer_steps_where_gradients_are_accumulated():
    plain = learning_rate(TrainConfig(schedule="cosine"), total_steps=8)
    accumulating = learning_rate(TrainConfig(schedule="cosine", accumulate=3), total_steps=24)
    assert rates(accumulating, 24) == pytest.approx(np.repeat(rates(plain, 8), 3))


def test_plateau_takes_a_number_that_callbacks_change():
    config = TrainConfig(schedule="plateau", learning_rate=0.3)
    kinds = [type(callback).__name__ for callback in rate_callbacks(config, steps_per_epoch=1)]
    assert learning_rate(config, total_steps=1) == 0.3
    assert kinds == ["ReduceLROnPlateau", "InverseTimeDecay", "RateRecord"]


def test_inverse_time_decay_divides_by_the_steps_so_far():
    optimizer = keras.optimizers.SGD(0.5)
    callback = InverseTimeDecay(0.01, steps_per_epoch=50)
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    for epoch in range(3):
        callback.on_epoch_end(epoch)
    assert float(optimizer.learning_rate) == pytest.approx(0.5 / (1 + 0.01 * 150))


def test_rate_is_recorded_as_it_is_at_the_end_of_the_epoch():
    optimizer = build_optimizer(TrainConfig(schedule="linear", warm_up_share=0, epochs=1), total_steps=4)
    callback, logs = RateRecord(), {}
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    optimizer._iterations.assign(3)
    callback.on_epoch_end(0, logs)
    assert logs == {"learning_rate": pytest.approx(1e-3 / 5)}


def test_average_of_weights_forgets_as_much_a_step_where_batches_are_accumulated():
    optimizer = build_optimizer(TrainConfig(ema_decay=0.9, accumulate=4), total_steps=8)
    assert optimizer.ema_momentum**4 == pytest.approx(0.9)

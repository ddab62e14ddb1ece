"""The learning rate over the steps of a stage: warm-up, constant, cool-down.

Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training
Durations": a straight line to 0 at the end does as well as a cosine, and the length of
the constant part can be chosen while the run is under way.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from agave_tf.settings.config import TrainConfig


def learning_rate(settings: TrainConfig, num_steps: int) -> Any:
    """The learning rate for Keras's optimizers: a number, or a schedule.

    Args:
      settings: the rate and the lengths of warm-up and cool-down.
      num_steps: steps of the stage, at whose end the cool-down ends.
    """
    rate, steps = settings.learning_rate, settings.warmup_steps
    if settings.cooldown_steps:
        return _Trapezoid(rate, steps, settings.cooldown_steps, num_steps)
    if steps:
        return _WarmUp(rate / steps, steps, rate)
    return rate


@contextlib.contextmanager
def float32_in_keras() -> Iterator[None]:
    """A context in which Keras makes numbers float32, whatever the user's float type.

    Its optimizers and schedules take no type. In float16 a rate would be another one.
    """
    before = keras.config.floatx()
    keras.config.set_floatx("float32")
    try:
        yield
    finally:
        keras.config.set_floatx(before)


class _WarmUp(keras.optimizers.schedules.PolynomialDecay):
    """A straight line up to the rate, and the rate."""

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        with float32_in_keras():
            return super().__call__(step)


class _Trapezoid(keras.optimizers.schedules.LearningRateSchedule):
    """A straight line up to the rate, the rate, and a straight line down towards 0."""

    def __init__(self, rate: float, warmup: int, cooldown: int, num_steps: int):
        self._rate, self._warmup = rate, warmup
        self._cooldown, self._num_steps = cooldown, num_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        # The update after `step` others. The last one of the stage is not 0.
        step = tf.cast(step, tf.float32)
        up = 1.0
        if self._warmup:
            # PolynomialDecay's line, from 1 / steps to 1.
            share = step / self._warmup
            up = (1 - share) / self._warmup + share
        down = (self._num_steps - step) / self._cooldown
        return self._rate * tf.clip_by_value(tf.minimum(up, down), 0.0, 1.0)

"""The learning rate over the steps of a stage: warm-up, constant, cool-down.

Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training
Durations": a straight line to 0 at the end does as well as a cosine, and the length of
the constant part can be chosen while the run is under way.
"""

import contextlib
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from agave_tf.settings.config import TrainConfig

Schedule = Callable[[tf.Tensor], tf.Tensor]


def learning_rate(settings: TrainConfig, num_steps: int) -> float | Schedule:
    """The learning rate: a number, or a function of the number of steps made.

    Args:
      settings: the rate and the lengths of warm-up and cool-down.
      num_steps: steps of the stage, at whose end the cool-down ends.
    """
    rate, steps = settings.learning_rate, settings.warmup_steps
    if settings.cooldown_steps:
        return _trapezoid(rate, steps, settings.cooldown_steps, num_steps)
    if steps:
        return _warm_up(rate, steps)
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


def _warm_up(rate: float, steps: int) -> Schedule:
    """A straight line up to the rate, and the rate."""
    line = keras.optimizers.schedules.PolynomialDecay(rate / steps, steps, rate)

    def rate_at(step: tf.Tensor) -> tf.Tensor:
        with float32_in_keras():
            return line(step)

    return rate_at


def _trapezoid(rate: float, warmup: int, cooldown: int, num_steps: int) -> Schedule:
    """A straight line up to the rate, the rate, and a straight line down towards 0."""

    def rate_at(step: tf.Tensor) -> tf.Tensor:
        # Of the step after `step` others. That of the last one of the stage is not 0.
        step = tf.cast(step, tf.float32)
        up = 1.0
        if warmup:
            # PolynomialDecay's line, from 1 / steps to 1.
            share = step / warmup
            up = (1 - share) / warmup + share
        down = (num_steps - step) / cooldown
        return rate * tf.clip_by_value(tf.minimum(up, down), 0.0, 1.0)

    return rate_at

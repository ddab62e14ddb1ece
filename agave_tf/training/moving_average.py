"""Averaged weights (Polyak & Juditsky 1992), for evaluation, sampling and export."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


class MovingAverage(tf.Module):
    """average <- average + (1 - decay_t) * (weight - average), after every step.

    decay_t = min(decay, (1 + t) / (10 + t)): the warm-up lets the average leave the
    first values at once, instead of after 1 / (1 - decay) steps as in the originals,
    whose averages also start before data-dependent initialisation. `warm_up=False` is
    the originals' rule.

    Make it under the strategy's scope, after initialisation.

    Args:
      weights: what to average.
      decay: the final decay; 0 keeps the average equal to the weights.
      warm_up: whether decay_t grows to decay.
    """

    def __init__(
        self, weights: list[keras.Variable], decay: float, warm_up: bool = True
    ):
        super().__init__(name="moving_average")
        self._weights = [weight.value for weight in weights]
        self._decay, self._warm_up = decay, warm_up
        self.averages = [
            tf.Variable(weight.numpy(), trainable=False, name="average")
            for weight in weights
        ]

    def update(self, step: tf.Tensor) -> None:
        """Takes in the weights after optimizer step `step` = 1, 2, ...

        Call it in cross-replica context: each device then updates its own copy.
        """
        decay = tf.constant(self._decay)
        if self._warm_up:
            t = tf.cast(step, tf.float32)
            decay = tf.minimum(decay, (1 + t) / (10 + t))

        def move(average, weight, rate):
            average.assign_add(rate * (weight - average))

        extended = tf.distribute.get_strategy().extended
        for average, weight in zip(self.averages, self._weights, strict=True):
            extended.update(average, move, args=(weight, 1 - decay), group=False)

    @contextlib.contextmanager
    def in_place_of_weights(self) -> Iterator[None]:
        """Within this context the model computes with the averages."""
        kept = [weight.numpy() for weight in self._weights]
        for weight, average in zip(self._weights, self.averages, strict=True):
            weight.assign(average.numpy())
        try:
            yield
        finally:
            for weight, value in zip(self._weights, kept, strict=True):
                weight.assign(value)

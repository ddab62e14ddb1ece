"""Averaged weights (Polyak & Juditsky 1992), for evaluation, sampling and export."""

import tensorflow as tf


class MovingAverage(tf.Module):
    """average <- average + (1 - decay_t) * (weights - average), after every update.

    decay_t = min(decay, (1 + t) / (10 + t)): the warm-up lets the average leave the
    first values at once, instead of after 1 / (1 - decay) updates as in the originals,
    whose averages also start before data-dependent initialisation. `warm_up=False` is
    the originals' rule.

    Make it under the strategy's scope, after initialisation.

    Args:
      weights: what to average.
      decay: the final decay; 0 keeps the average equal to the weights.
      warm_up: whether decay_t grows to decay.
    """

    def __init__(self, weights: tf.Variable, decay: float, warm_up: bool = True):
        super().__init__(name="moving_average")
        self._weights, self._decay, self._warm_up = weights, decay, warm_up
        self.average = tf.Variable(weights.numpy(), trainable=False, name="average")

    def update(self, num_updates: tf.Tensor) -> None:
        """Takes in the weights after update number 1, 2, ...

        Call it in cross-replica context: each device then updates its own copy.
        """
        decay = tf.constant(self._decay)
        if self._warm_up:
            t = tf.cast(num_updates, tf.float32)
            decay = tf.minimum(decay, (1 + t) / (10 + t))
        tf.distribute.get_strategy().extended.update(
            self.average,
            lambda average, weights, rate: average.assign_add(
                rate * (weights - average)
            ),
            args=(self._weights, 1 - decay),
            group=False,
        )

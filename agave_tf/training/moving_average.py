"""Averaged weights (Polyak & Juditsky 1992), for evaluation, sampling and export."""

import tensorflow as tf


class MovingAverage(tf.Module):
    """Keeps average <- average + (1 - decay_t) * (weights - average), every update.

    decay_t = min(decay, (1 + t) / (10 + t)) after update t. This warm-up lets the
    average leave the first values at once, not after 1 / (1 - decay) updates as in the
    originals, whose averages also start before data-dependent initialisation.
    `warm_up=False` is the originals' rule, decay_t = decay.

    Make it under the strategy's scope, after initialisation.

    Args:
      weights: the variable to average.
      decay: the final decay; with 0 the average equals the weights, bit for bit.
      warm_up: whether decay_t grows to `decay`.
    """

    def __init__(self, weights: tf.Variable, decay: float, warm_up: bool = True):
        super().__init__(name="moving_average")
        self._weights, self._decay, self._warm_up = weights, decay, warm_up
        self.average = tf.Variable(weights.numpy(), trainable=False, name="average")

    def update(self, num_updates: tf.Tensor) -> None:
        """Updates the average after update number `num_updates` of the weights, from 1.

        Call it in cross-replica context: each device then updates its own copy.
        """
        update = tf.distribute.get_strategy().extended.update
        if self._decay == 0:
            # average + 1 * (weights - average) would differ by rounding.
            update(
                self.average,
                lambda average, weights: average.assign(weights),
                args=(self._weights,),
                group=False,
            )
            return
        decay = tf.constant(self._decay)
        if self._warm_up:
            t = tf.cast(num_updates, tf.float32)
            decay = tf.minimum(decay, (1 + t) / (10 + t))
        update(
            self.average,
            lambda average, weights, rate: average.assign_add(
                rate * (weights - average)
            ),
            args=(self._weights, 1 - decay),
            group=False,
        )

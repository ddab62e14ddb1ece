"""Adamax (Kingma & Ba 2015, "Adam", Algorithm 2), on one vector of weights."""

import tensorflow as tf

from agave_tf.training.vector_optimizer import VectorOptimizer

# Algorithm 2's. The paper has no epsilon, and divides 0 by 0 where a gradient was never
# anything but 0; this one is Keras's.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


class Adamax(VectorOptimizer):
    """Updates weights by their gradient, of update t = 1, 2, ...

        m <- m + (1 - beta_1) * (gradient - m)
        u <- max(beta_2 * u, |gradient|)
        weights <- weights - rate * m / ((1 - beta_1^t) * (u + epsilon))

    The operations are those of `keras.optimizers.Adamax`, in its order: every bit is
    the same, and runs that it has begun go on.
    """

    name_of_variables = "adamax"

    def _update_copy(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        momentum: tf.Variable,
        norm: tf.Variable,
        rate: tf.Tensor,
        num_updates: tf.Tensor,
    ) -> None:
        t = tf.cast(num_updates, tf.float32)
        momentum.assign_add((gradient - momentum) * (1 - _BETA_1))
        norm.assign(tf.maximum(_BETA_2 * norm, tf.abs(gradient)))
        bias_correction = 1 - tf.pow(tf.constant(_BETA_1), t)
        weights.assign_sub(rate * momentum / (bias_correction * (norm + _EPSILON)))

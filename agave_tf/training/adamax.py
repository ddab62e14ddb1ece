"""Adamax (Kingma & Ba 2015, "Adam", Algorithm 2), on one vector of weights."""

import tensorflow as tf

# Algorithm 2's. The paper has no epsilon, and divides 0 by 0 where a gradient was never
# anything but 0; this one is Keras's.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


class Adamax(tf.Module):
    """Updates weights by their gradient, of update t = 1, 2, ...

        m <- m + (1 - beta_1) * (gradient - m)
        u <- max(beta_2 * u, |gradient|)
        weights <- weights - rate * m / ((1 - beta_1^t) * (u + epsilon))

    The operations are those of `keras.optimizers.Adamax`, in its order: every bit is
    the same, and runs that it has begun go on. Keras updates the variables of a model
    from within its replicas; it has no public way to update a variable between them.

    Make it under the strategy's scope.

    Args:
      weights: float32 [N], the variable to update.
      learning_rate: the rate of updates without one of their own.
    """

    def __init__(self, weights: tf.Variable, learning_rate: float):
        super().__init__(name="adamax")
        self._weights = weights
        self.iterations = _counter(0, tf.int64, "iteration")  # updates so far
        self.learning_rate = _counter(learning_rate, tf.float32, "learning_rate")
        self.momentum = _zeros_for(weights, "momentum")  # m
        self.norm = _zeros_for(weights, "norm")  # u

    def update(self, gradient: tf.Tensor, learning_rate: tf.Tensor) -> None:
        """Makes one update; call it in cross-replica context.

        Each device then updates its own copy.

        Args:
          gradient: float32 [N], already summed over the replicas; a tensor, or one
            tensor for each replica of this process.
          learning_rate: float32 [].
        """
        num_updates = tf.convert_to_tensor(self.iterations) + 1
        tf.distribute.get_strategy().extended.update(
            self._weights,
            _adamax_update,
            args=(gradient, self.momentum, self.norm, learning_rate, num_updates),
            group=False,
        )
        self.iterations.assign_add(1)


def _adamax_update(
    weights: tf.Variable,
    gradient: tf.Tensor,
    m: tf.Variable,
    u: tf.Variable,
    rate: tf.Tensor,
    num_updates: tf.Tensor,
) -> None:
    """Algorithm 2's update, of the copies of one device."""
    t = tf.cast(num_updates, tf.float32)
    m.assign_add((gradient - m) * (1 - _BETA_1))
    u.assign(tf.maximum(_BETA_2 * u, tf.abs(gradient)))
    bias_correction = 1 - tf.pow(tf.constant(_BETA_1), t)
    weights.assign_sub(rate * m / (bias_correction * (u + _EPSILON)))


def _counter(value: float, dtype: tf.DType, name: str) -> tf.Variable:
    return tf.Variable(
        value,
        dtype=dtype,
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        name=f"adamax/{name}",
    )


def _zeros_for(weights: tf.Variable, name: str) -> tf.Variable:
    zeros = tf.zeros(weights.shape)
    return tf.Variable(zeros, trainable=False, name=f"adamax/weights_{name}")

"""The shared part of the optimizers: their variables, and an update on every device."""

import abc

import tensorflow as tf


class VectorOptimizer(tf.Module, abc.ABC):
    """Updates one vector of weights by its gradient, with two vectors of its own.

    Keras's optimizers update the variables of a model from within its replicas; they
    have no public way to update a variable between them.

    Make it under the strategy's scope.

    Args:
      weights: float32 [N], the variable to update.
      learning_rate: the rate of updates without one of their own.
    """

    name_of_variables: str

    def __init__(self, weights: tf.Variable, learning_rate: float):
        super().__init__(name=self.name_of_variables)
        self._weights = weights
        self.iterations = self._counter(0, tf.int64, "iteration")  # updates so far
        self.learning_rate = self._counter(learning_rate, tf.float32, "learning_rate")
        self.momentum = self._zeros("momentum")  # of the gradient
        self.norm = self._zeros("norm")  # of its elements

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
            self._update_copy,
            args=(gradient, self.momentum, self.norm, learning_rate, num_updates),
            group=False,
        )
        self.iterations.assign_add(1)

    @abc.abstractmethod
    def _update_copy(
        self,
        weights: tf.Variable,
        gradient: tf.Tensor,
        momentum: tf.Variable,
        norm: tf.Variable,
        rate: tf.Tensor,
        num_updates: tf.Tensor,
    ) -> None:
        """Makes update number `num_updates`, from 1, of the copies of one device."""

    def _counter(self, value: float, dtype: tf.DType, name: str) -> tf.Variable:
        return tf.Variable(
            value,
            dtype=dtype,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            name=f"{self.name_of_variables}/{name}",
        )

    def _zeros(self, name: str) -> tf.Variable:
        zeros = tf.zeros(self._weights.shape)
        name = f"{self.name_of_variables}/weights_{name}"
        return tf.Variable(zeros, trainable=False, name=name)

"""All trainable weights of a model in one vector, end to end."""

import contextlib
import math
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf


class FlatWeights(tf.Module):
    """The vector that the optimizer updates and the moving average follows.

    Both make some twenty operations for each variable, and a PixelCNN++ has a thousand
    small variables: one vector costs less to trace, to run and to exchange between
    replicas. The model's own variables are copies of the vector's parts.

    Make it under the strategy's scope, after initialisation.

    Args:
      weights: the variables, in order.
    """

    def __init__(self, weights: list[keras.Variable]):
        super().__init__(name="flat_weights")
        self._weights = [weight.value for weight in weights]
        self._shapes = [tuple(weight.shape) for weight in weights]
        self._sizes = [math.prod(shape) for shape in self._shapes]
        values = [weight.numpy().ravel() for weight in weights]
        self.vector = keras.Variable(np.concatenate(values), name="weights")

    @staticmethod
    def flatten(tensors: list[tf.Tensor]) -> tf.Tensor:
        """Gradients of the variables, in order, as one vector."""
        return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)

    def split(self, vector: np.ndarray) -> list[np.ndarray]:
        """The parts of such a vector, in the variables' shapes."""
        parts = np.split(vector, np.cumsum(self._sizes)[:-1])
        return [
            part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)
        ]

    def copy_to_model(self) -> None:
        """Sets the model's variables on every device; call in cross-replica context."""
        update = tf.distribute.get_strategy().extended.update
        starts = np.cumsum([0, *self._sizes])
        for weight, shape, start in zip(self._weights, self._shapes, starts):
            end = start + math.prod(shape)

            def assign(weight, vector, start=start, end=end, shape=shape):
                return weight.assign(tf.reshape(vector[start:end], shape))

            update(weight, assign, args=(self.vector.value,), group=False)

    @contextlib.contextmanager
    def replaced_in_model(self, vector: np.ndarray) -> Iterator[None]:
        """Gives the model other weights within this context."""
        self._assign_to_model(vector)
        try:
            yield
        finally:
            self._assign_to_model(self.vector.numpy())

    def _assign_to_model(self, vector: np.ndarray) -> None:
        for weight, part in zip(self._weights, self.split(vector), strict=True):
            weight.assign(part)

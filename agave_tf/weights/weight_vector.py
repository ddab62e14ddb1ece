"""All weights of a network in one vector, end to end."""

import math
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from agave_tf.weights.named_weights import named_weights


class WeightLayout:
    """The places of a network's weights in a vector, in the order of its `weights`.

    The optimizer and the average make some twenty operations for each variable, and a
    PixelCNN++ has a thousand small variables: one vector costs less to trace, to run
    and to exchange between replicas.

    Args:
      network: a network or skeleton.

    Attributes:
      names: of the weights.
      shapes: of the weights.
      sizes: the number of elements of each.
    """

    def __init__(self, network: keras.layers.Layer):
        name_of = {id(weight): name for name, weight in named_weights(network).items()}
        self.names = [name_of[id(weight)] for weight in network.weights]
        self.shapes = [tuple(weight.shape) for weight in network.weights]
        self.sizes = [math.prod(shape) for shape in self.shapes]

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(self.sizes)

    def split(self, vector: tf.Tensor) -> list[tf.Tensor]:
        """The weights in their shapes, for `using_weights`."""
        parts = tf.split(vector, self.sizes)
        return [tf.reshape(p, shape) for p, shape in zip(parts, self.shapes)]

    def joined(self, parts: list[tf.Tensor]) -> tf.Tensor:
        """The vector of what `split` gave."""
        return tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)

    def by_name(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """The weights by the names of `named_weights`."""
        parts = np.split(vector, np.cumsum(self.sizes)[:-1])
        return {
            name: part.reshape(shape)
            for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    def vector(self, weights: Mapping[str, np.ndarray]) -> np.ndarray:
        """The vector of weights by name."""
        return np.concatenate([np.ravel(weights[name]) for name in self.names])

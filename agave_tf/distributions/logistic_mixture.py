"""The distribution of one sub-pixel in PixelCNN++, given the ones before it."""

from typing import NamedTuple

import tensorflow as tf


class LogisticMixture(NamedTuple):
    """A mixture of logistics over [-1, 1], whose levels are 2/255 apart."""

    weights: tf.Tensor  # [..., K]
    means: tf.Tensor  # [..., K]
    inverse_scales: tf.Tensor  # [..., K]

    def mass_below(self, level: tf.Tensor) -> tf.Tensor:
        """The mass [..., E] below each level, int [..., E] from 1 to 255."""
        edge = (2.0 * tf.cast(level, self.means.dtype) - 256.0) / 255.0
        z = (edge[..., None] - self.means[..., None, :]) * (
            self.inverse_scales[..., None, :]
        )
        return tf.reduce_sum(self.weights[..., None, :] * tf.sigmoid(z), axis=-1)

"""The parameters of p(y|z), Eq. 10 of Lucas & Verbeek 2018: loc from f(z), and s."""

import math

import tensorflow as tf


def loc_of(f_z: tf.Tensor) -> tf.Tensor:
    """Moves f(z) from [-1,1] to the 0..256 axis of Eq. 10; level u covers [u, u+1)."""
    return 127.5 * f_z + 128.0


def log_scale_of(residual: tf.Tensor) -> tf.Tensor:
    """ln s per channel [c] of the logistic as wide as `residual`.

    A logistic of scale s has standard deviation pi * s / sqrt(3).

    Args:
      residual: [B,h,w,c], y - loc on the 0..256 axis; a deviation below 1 counts as 1.
    """
    deviation = tf.sqrt(tf.reduce_mean(tf.square(residual), axis=[0, 1, 2]))
    return tf.math.log(tf.maximum(deviation, 1.0) * math.sqrt(3) / math.pi)

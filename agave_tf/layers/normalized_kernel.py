"""The kernel of a weight-normalised layer (Salimans & Kingma 2016, Eq. 2 and 3)."""

from collections.abc import Callable

import tensorflow as tf


def normalized_kernel(
    v: tf.Tensor, gain: tf.Tensor, norm_axes: tuple[int, ...], out_axis: int
) -> tf.Tensor:
    """gain * v / ||v||, with the gradient in a third of the operations of TensorFlow's.

    Args:
      v: [kh,kw,in,out], or [kh,kw,out,in].
      gain: [out].
      norm_axes: axes of v that the norm is taken over.
      out_axis: axis of v that `gain` is along, 2 or 3.
    """
    sum_axes = tuple(axis for axis in range(4) if axis != out_axis)

    @tf.custom_gradient
    def compute(v: tf.Tensor, gain: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        square_norm = tf.reduce_sum(tf.square(v), norm_axes, keepdims=True)
        # The floor keeps the gradient finite for a direction that is all zero.
        inverse = tf.math.rsqrt(tf.maximum(square_norm, 1e-12))
        direction = v * inverse
        along_out = gain if out_axis == 3 else tf.reshape(gain, [-1, 1])

        def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            by_direction = dy * along_out
            along = tf.reduce_sum(by_direction * direction, norm_axes, keepdims=True)
            # At the floor the norm does not depend on v.
            along = tf.where(square_norm > 1e-12, along, 0.0)
            by_gain = tf.reduce_sum(dy * direction, sum_axes)
            return (by_direction - direction * along) * inverse, by_gain

        return direction * along_out, gradient

    return compute(v, gain)

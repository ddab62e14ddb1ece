"""Upsampling by nearest neighbour."""

import tensorflow as tf


def enlarge(x: tf.Tensor, factor: int) -> tf.Tensor:
    """Repeats every entry of [B,h,w,F] to [B,factor*h,factor*w,F]."""
    return tf.repeat(tf.repeat(x, factor, axis=1), factor, axis=2)

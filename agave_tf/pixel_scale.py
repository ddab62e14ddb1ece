"""Scales of pixel values: levels 0..255, [-1,1] inside the networks, luma."""

import tensorflow as tf

# Weights of red, green and blue in ITU-R BT.601 luma.
_LUMA = (0.299, 0.587, 0.114)


def to_unit_range(image: tf.Tensor) -> tf.Tensor:
    """Levels 0..255 to [-1,1], float32."""
    return (tf.cast(image, tf.float32) - 127.5) / 127.5


def to_levels(x: tf.Tensor) -> tf.Tensor:
    """[-1,1] to levels 0..255, uint8, rounded."""
    return tf.cast(tf.round(tf.clip_by_value(x, -1.0, 1.0) * 127.5 + 127.5), tf.uint8)


def luma(image: tf.Tensor) -> tf.Tensor:
    """BT.601 luma of levels 0..255, [...,3] -> [...,1], rounded; float32."""
    weighted = tf.cast(image, tf.float32) * tf.constant(_LUMA)
    return tf.round(tf.reduce_sum(weighted, axis=-1, keepdims=True))

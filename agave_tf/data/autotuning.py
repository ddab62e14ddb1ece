"""Pipelines of tf.data without autotuning."""

import tensorflow as tf


def without_autotuning() -> tf.data.Options:
    """Returns options of a pipeline that ends at once.

    The thread that tunes a pipeline sleeps for as long as the pipeline has run, at most
    a minute. TensorFlow 2.21 often fails to wake it when the iterator is deleted, and
    waits: a training of a minute then ends half a minute late.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options

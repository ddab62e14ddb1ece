"""The threads that coding computes with."""

import tensorflow as tf


def use_threads(count: int) -> None:
    """Computes on the CPU alone, with `count` threads; 0: as many as there are CPUs.

    Call it before TensorFlow computes.
    """
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(count)

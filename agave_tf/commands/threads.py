"""The number of threads of TensorFlow, for commands whose last bits depend on it."""

import tensorflow as tf


def use_threads(count: int) -> None:
    """Sets the threads of every operation; call it before TensorFlow computes."""
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(1)

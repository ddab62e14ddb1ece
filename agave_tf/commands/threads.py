"""Where commands compute whose last bits must be the same on another machine."""

import tensorflow as tf


def use_threads(count: int) -> None:
    """Computes on the CPU alone, with so many threads for every operation.

    A file of coded images names the CPU it needs, and two GPUs, or one GPU twice, do
    not compute the same last bits. Call it before TensorFlow computes.
    """
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(1)

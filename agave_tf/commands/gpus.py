"""The memory of GPUs, for commands that share them with other processes."""

import os

import tensorflow as tf


def take_gpu_memory_as_needed() -> None:
    """Lets TensorFlow take memory of GPUs when it needs it; call it before it computes.

    By itself it takes nearly all memory of all GPUs at once: bin/reproduce.py scores
    the runs of one artifact in its own process, and those of the next could not start
    beside it. TensorFlow's own variable TF_FORCE_GPU_ALLOW_GROWTH wins.
    """
    if "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ:
        return
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)

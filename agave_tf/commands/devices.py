"""The devices of a command: the memory of GPUs, and the threads of the CPU."""

import os

import tensorflow as tf
from absl import flags

# TensorFlow reads it when it first uses a GPU; "true" or "false".
_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"


def take_gpu_memory_as_needed() -> None:
    """Lets TensorFlow take memory of GPUs when it needs it; call it before it computes.

    By itself it takes nearly all memory of all GPUs at once: bin/reproduce.py scores
    the runs of one artifact in its own process, and those of the next could not start
    beside it. The user's own value wins.

    By a variable, because `set_memory_growth` needs the list of GPUs: where there are
    none, TensorFlow prints an error for it, which would bury ours.
    """
    os.environ.setdefault(_GROWTH, "true")


def use_threads(count: int) -> None:
    """Computes on the CPU alone, with `count` threads for every operation.

    Coding needs it: a file of coded images names the CPU it needs, and two GPUs, or one
    GPU twice, do not compute the same last bits. Call it before TensorFlow computes.
    """
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def define_num_logical_cpus(values: flags.FlagValues) -> None:
    """Defines --num_logical_cpus, which goes with --strategy."""
    flags.DEFINE_integer(
        "num_logical_cpus",
        0,
        "Split the CPU into this number of devices, to try --strategy=mirrored without "
        "GPUs; 0: do not split it.",
        flag_values=values,
    )

"""The devices of a command: the memory of GPUs, and the threads of the CPU."""

import os

from absl import flags

from agave_tf.commands.flags import flag_group

# TensorFlow reads it when it first uses a GPU; "true" or "false".
_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
# TensorFlow reads it when it first computes: the threads that share an operation.
_THREADS = "TF_NUM_INTRAOP_THREADS"


def take_gpu_memory_as_needed() -> None:
    """Lets TensorFlow take memory of GPUs when it needs it; call it before it computes.

    By itself it takes nearly all memory of all GPUs at once: bin/reproduce.py scores
    the runs of one artifact in its own process, and those of the next could not start
    beside it. The user's own value wins.

    By a variable, because `set_memory_growth` needs the list of GPUs: where there are
    none, TensorFlow prints an error for it, which would bury ours.
    """
    os.environ.setdefault(_GROWTH, "true")


def give_cores_their_own_operations() -> None:
    """Gives each of two cores operations of its own; call it before TensorFlow.

    By itself TensorFlow divides every operation between both cores, and one waits for
    the other at its end; a training step nearly always has two operations to compute
    (docs/speed.md, Training). The user's own value wins; with another number of cores
    nothing is changed.
    """
    if len(os.sched_getaffinity(0)) == 2:
        os.environ.setdefault(_THREADS, "1")


def define_threads(values: flags.FlagValues) -> None:
    """Defines --threads, for `use_threads`."""
    with flag_group("Devices", values):
        flags.DEFINE_integer(
            "threads",
            0,
            "Threads to compute with, whatever the file was made with; 0: as many as "
            "there are CPUs.",
            lower_bound=0,
            upper_bound=1024,
            flag_values=values,
        )


def define_num_logical_cpus(values: flags.FlagValues) -> None:
    """Defines --num_logical_cpus, which goes with --strategy."""
    flags.DEFINE_integer(
        "num_logical_cpus",
        0,
        "Split the CPU into this number of devices, to try --strategy=mirrored without "
        "GPUs; 0: do not split it.",
        flag_values=values,
    )

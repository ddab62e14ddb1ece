"""The memory of GPUs, for commands that share them with other processes."""

import os

# TensorFlow reads it when it first uses a GPU; "true" or "false".
_VARIABLE = "TF_FORCE_GPU_ALLOW_GROWTH"


def take_gpu_memory_as_needed() -> None:
    """Lets TensorFlow take memory of GPUs when it needs it; call it before it computes.

    By itself it takes nearly all memory of all GPUs at once: bin/reproduce.py scores
    the runs of one artifact in its own process, and those of the next could not start
    beside it. The user's own value wins.

    By a variable, because `set_memory_growth` needs the list of GPUs: where there are
    none, TensorFlow prints an error for it, which would bury ours.
    """
    os.environ.setdefault(_VARIABLE, "true")

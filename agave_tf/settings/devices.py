"""The names of the strategies, which say on what devices a command computes."""

from agave_tf.errors import InputError

STRATEGIES = ("auto", "one", "mirrored", "multi_worker")
# Those of a command that is a process of its own.
LOCAL_STRATEGIES = ("auto", "one", "mirrored")


def check_logical_cpus(strategy: str, count: int) -> None:
    """Checks that a strategy can have `count` parts of the CPU; 0: it has none.

    Raises:
      InputError: it cannot.
    """
    if count and (strategy != "mirrored" or count < 1):
        raise InputError(
            "`num_logical_cpus` must be positive, and goes with --strategy=mirrored; "
            f"got {count} with --strategy={strategy}."
        )

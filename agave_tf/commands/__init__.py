"""The command lines: one module for each command, and what commands share.

Each command has `define_flags`, which defines its flags, `run`, which takes their
values, and `main`, which is the console script: agave-train is train.main.
"""

import os
import sys
import warnings

from agave_tf.commands.streams import open_closed_streams, shown_on, without_messages


def _refuse_stripped_docstrings() -> None:
    """Ends a command that runs without docstrings (PYTHONOPTIMIZE=2, python -OO)."""
    if sys.flags.optimize > 1:
        # With python -m the name is not known yet.
        name = sys.argv[0]
        program = "agave_tf" if name == "-m" else os.path.basename(name)
        print(
            f"{program}: `PYTHONOPTIMIZE` must be at most 1, and python be called "
            "without -OO: tf-keras, which TensorFlow Probability imports, needs "
            f"docstrings; got {sys.flags.optimize}.",
            file=sys.stderr,
        )
        sys.exit(2)


open_closed_streams()
_refuse_stripped_docstrings()

# TensorFlow prints a dozen lines when it is imported, which would bury an error of one
# line and which no setting suppresses completely. This package is imported before the
# modules of the commands, whatever the order of their imports.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with (
    shown_on(sys.stderr, "Loading TensorFlow ..."),
    without_messages(),
    warnings.catch_warnings(),
):
    # Libraries warn of each other; PYTHONWARNINGS=error would make that an error.
    warnings.simplefilter("ignore")
    # It imports everything else that prints.
    import agave_tf.training.train_loop  # noqa: F401

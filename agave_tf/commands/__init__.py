"""The command lines: one module for each command, and what commands share.

Each command has `define_flags`, which defines its flags, `run`, which takes their
values, and `main`, which is the console script: agave-train is train.main. `run` checks
all that can be checked in a moment; then it hands over to the module of the same name
in `work`, which loads TensorFlow. --help and a wrong flag never come so far.
"""

import os
import sys

from agave_tf.commands.streams import open_closed_streams


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

"""The command lines: one module for each command, and what commands share.

Each command has `define_flags`, which defines its flags, `run`, which takes their
values, and `main`, which is the console script: agave-train is train.main.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

from agave_tf.commands.streams import open_closed_streams


@contextlib.contextmanager
def _without_messages() -> Iterator[None]:
    """Discards everything written to standard error, also by compiled code."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _shown_on(stream: TextIO, text: str) -> Iterator[None]:
    """Shows a text while something lasts, if somebody looks."""
    is_looked_at = stream.isatty()
    if is_looked_at:
        stream.write(text)
        stream.flush()
    yield
    if is_looked_at:
        # Blanks, because a simple terminal (TERM=dumb) erases nothing by itself.
        stream.write(f"\r{' ' * len(text)}\r")
        stream.flush()


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
    _shown_on(sys.stderr, "Loading TensorFlow ..."),
    _without_messages(),
    warnings.catch_warnings(),
):
    # Libraries warn of each other, which PYTHONWARNINGS=error would make the end.
    warnings.simplefilter("ignore")
    # It imports everything else that prints.
    import agave_tf.training.train_loop  # noqa: F401

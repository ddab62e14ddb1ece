"""The errors that end a command in one line, without a traceback.

`exit_code` is the exit code of the command (agave_tf/commands/running.py).
"""

import difflib
import reprlib
import signal
from collections.abc import Iterable
from typing import Any

_MOST_QUOTED = 200  # characters


class InputError(ValueError):
    """Bad input from a person.

    The message names the setting in backticks, says what is required, and quotes what
    came: `` `num_color_levels` must divide 256; got 48. ``
    """

    exit_code = 2


class NonFiniteError(ArithmeticError):
    """Too many updates in a row were skipped; the checkpoints are from before them."""

    exit_code = 1


class Stopped(Exception):
    """Training was asked to stop, and has saved a checkpoint.

    The exit code is the one a shell reports for a program that the signal ended.

    Args:
      message: one line for the user.
      signal_number: the signal that asked; 0: another process of the run received it.
    """

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + (signal_number or signal.SIGTERM)


class JobFailed(RuntimeError):
    """A command that another command started has failed, or a signal has killed it.

    Bad input is not among the reasons: a job that refuses its input is an `InputError`.
    """

    exit_code = 1


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its class name if there is no message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def quoted(value: object) -> str:
    """A value as a message quotes it: in one line, which is cut if it is long.

    A value from a file may be as long or as deeply nested as the file lets it.
    """
    return cut(_SHORT.repr(value))


def cut(text: str) -> str:
    """A text, without its end if it is long."""
    return text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}..."


def _short() -> reprlib.Repr:
    short = reprlib.Repr()
    short.maxstring = short.maxother = _MOST_QUOTED
    short.maxlevel = 3
    return short


_SHORT = _short()


def did_you_mean(word: Any, choices: Iterable[Any]) -> str:
    """Returns " Did you mean X?" for the choice nearest to a word; empty if none is.

    Capitals do not count, and - is as good as _.
    """
    by_plain_name = {_plain(choice): str(choice) for choice in choices}
    near = difflib.get_close_matches(_plain(word), by_plain_name, n=1)
    return f" Did you mean {by_plain_name[near[0]]}?" if near else ""


def _plain(word: Any) -> str:
    return str(word)[:100].lower().replace("-", "_")

"""The errors that end a command in one line, without a traceback."""


class InputError(ValueError):
    """Bad input from a person: shown as one line, without a traceback, exit code 2.

    The message names the setting in backticks, says what is required, and quotes what
    came: `` `num_color_levels` must divide 256; got 48. ``
    """


class NonFiniteError(ArithmeticError):
    """Too many updates in a row could not be made; the checkpoints are from before."""


class Stopped(Exception):
    """Training was asked to stop, and has saved where it was.

    Args:
      message: for the user.
      signal_number: what asked; 0: another process of the run was asked.
    """

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its class name if there is no message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

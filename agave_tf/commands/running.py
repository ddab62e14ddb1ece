"""Runs a command: parses its flags, and turns errors into one line and an exit code.

Exit codes: 0 success; 2 bad input; 1 training or a job failed, or an unexpected error,
which keeps its traceback; 128 + number for a signal.
"""

import errno
import logging as std_logging
import os
import signal
import sys
from collections.abc import Callable
from typing import NamedTuple, NoReturn

import tensorflow as tf
from absl import app, flags, logging

from agave_tf.commands.arguments import check_arguments, required_flag_error
from agave_tf.commands.gpus import take_gpu_memory_as_needed
from agave_tf.commands.help import full_help, short_help
from agave_tf.errors import InputError, first_line
from agave_tf.settings.flag_files import expand_flag_files

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Errors that the user's machine causes, not our code.
_ENVIRONMENT_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
}
# TensorFlow's words where a process waits for one that is no more.
_OTHER_ENDED = "Collective ops is aborted"


class Failure(NamedTuple):
    """The end of a command that failed."""

    message: str
    exit_code: int


def run_command(
    define_flags: Callable[[flags.FlagValues], None],
    run: Callable[[flags.FlagValues], None],
    description: str,
) -> None:
    """Runs a command with the arguments of the process, and exits.

    Args:
      define_flags: defines the command's flags.
      run: the command; takes the values of the flags.
      description: the text of --help above the flags; a command line in it starts with
        bin/NAME.py, which becomes agave-NAME in the help of a console script.
    """
    _define(define_flags)
    program = os.path.basename(sys.argv[0])
    if program.startswith("agave-"):
        name = program.removeprefix("agave-").replace("-", "_")
        description = description.replace(f"bin/{name}.py", program)
    # absl shows the docstring of the main module, and a console script has none.
    sys.modules["__main__"].__doc__ = description
    logging.set_verbosity(logging.INFO)
    tf.get_logger().setLevel(std_logging.WARNING)
    logging.get_absl_handler().addFilter(_is_shown)

    def guarded(arguments: list[str]) -> None:
        logging.use_absl_handler()
        try:
            take_gpu_memory_as_needed()
            run(flags.FLAGS)
        except (Exception, KeyboardInterrupt) as error:
            failure = failure_of(error)
            if failure is None:
                raise
            _exit(failure)

    app.run(guarded, flags_parser=_parse)


def failure_of(error: BaseException) -> Failure | None:
    """Returns how a command ends on an error; None for an error in our code."""
    if hasattr(error, "exit_code"):
        return Failure(str(error) or first_line(error), error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Failure("interrupted.", 128 + signal.SIGINT)
    if isinstance(error, OSError) and error.errno in _ENVIRONMENT_ERRORS:
        reason = error.strerror or os.strerror(error.errno)
        return Failure(f"{reason}: {error.filename or 'while writing'}.", 2)
    if isinstance(error, tf.errors.OpError):
        reasons = [os.strerror(n) for n in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]
        for reason in reasons:
            if reason in str(error.message):
                return Failure(f"{reason}: while writing a checkpoint or summaries.", 2)
        if _OTHER_ENDED in str(error.message):
            return Failure(
                "another process of this training has ended, and its own message says "
                "why; the same commands go on from the last checkpoint.",
                1,
            )
    return None


def _define(define_flags: Callable[[flags.FlagValues], None]) -> None:
    """Defines the flags of the command, as those that --help shows."""
    before = set(flags.FLAGS)
    define_flags(flags.FLAGS)
    for name in set(flags.FLAGS) - before:
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def _parse(arguments: list[str]) -> list[str]:
    """Parses as absl does, but with our help, flag files and errors of one line."""
    try:
        program, *expanded = expand_flag_files(arguments)
        _show_help(expanded)
        check_arguments(expanded, flags.FLAGS)
        return flags.FLAGS([program, *expanded])
    except flags.Error as error:
        _exit(Failure(str(required_flag_error(error)), 2))
    except InputError as error:
        _exit(Failure(str(error), 2))


def _show_help(arguments: list[str]) -> None:
    """Prints the help that the arguments ask for, if they do, and exits."""
    description = sys.modules["__main__"].__doc__ or ""
    texts = {
        "help": short_help,
        "h": short_help,
        "?": short_help,
        "helpfull": full_help,
        "helpshort": lambda *_: f"{description}\n{flags.FLAGS.main_module_help()}",
    }
    for argument in arguments:
        name = argument.removeprefix("-").removeprefix("-")
        if name in texts and argument != name:
            print(texts[name](description, flags.FLAGS))
            sys.exit(0)


def _is_shown(record: std_logging.LogRecord) -> bool:
    """True for a log record of this package, and for a warning of any other."""
    return record.pathname.startswith(_PACKAGE) or record.levelno > std_logging.INFO


def _exit(failure: Failure) -> NoReturn:
    program = os.path.basename(sys.argv[0])
    print(f"{program}: {' '.join(failure.message.splitlines())}", file=sys.stderr)
    sys.exit(failure.exit_code)

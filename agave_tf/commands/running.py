"""Runs a command: parses its flags, and turns errors into one line and an exit code.

Exit codes: 0 success; 2 bad input; 1 training or a job failed, or an unexpected error,
which keeps its traceback; 128 + number for a signal.
"""

import contextlib
import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NamedTuple, NoReturn

from absl import app, flags, logging

import agave_tf
from agave_tf.commands.arguments import check_arguments, required_flag_error
from agave_tf.commands.devices import take_gpu_memory_as_needed
from agave_tf.commands.help import full_help, short_help
from agave_tf.commands.log_lines import log_lines_for_people
from agave_tf.commands.streams import (
    escape_what_cannot_be_shown,
    stop_writing_if_nobody_reads,
)
from agave_tf.errors import Stopped, first_line
from agave_tf.settings.flag_files import expand_flag_files
from agave_tf.training.stop_request import handling

# Training (training/stop_request.py) and bin/reproduce.py have handlers of their own.
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
# Characters of an error; a value of a flag may be as long as the system allows.
_MOST_SHOWN = 8000
# Exit code, as a shell reports it, of a program whose reader, such as head, has ended.
_NOBODY_READS = 128 + signal.SIGPIPE
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
    errno.ENAMETOOLONG,
    errno.ELOOP,
}
# TensorFlow's words in a process that waits for another one, which has ended.
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
    """Runs a command with the arguments of the process; exits unless it succeeds.

    It leaves no flags behind: a program, such as a notebook, may run several commands.

    Args:
      define_flags: defines the command's flags.
      run: the command; takes the values of the flags. It loads TensorFlow once they
        are right, by `run_work`.
      description: the text of --help above the flags; a command line in it starts with
        bin/NAME.py, which becomes agave-NAME in the help of a console script.
    """
    escape_what_cannot_be_shown()
    log_lines_for_people()
    program = os.path.basename(sys.argv[0])
    if program.startswith("agave-"):
        name = program.removeprefix("agave-").replace("-", "_")
        description = description.replace(f"bin/{name}.py", program)
    values = flags.FlagValues()
    define_flags(values)

    def guarded(arguments: list[str]) -> None:
        logging.use_absl_handler()
        try:
            take_gpu_memory_as_needed()
            run(values)
        except BrokenPipeError:
            if stop_writing_if_nobody_reads():
                message = "stopped, because nobody reads its output any more."
                _exit(Failure(message, _NOBODY_READS))
            raise

    signals = handling(_ENDING_SIGNALS, _end)
    with _exit_on_failure(), signals, _other_warnings_are_no_errors():
        try:
            app.run(
                guarded, flags_parser=lambda line: _parse(line, values, description)
            )
        except SystemExit as end:
            if end.code:  # A notebook shows each SystemExit, also that of success.
                raise
        sys.stdout.flush()


def _end(signal_number: int, _frame: FrameType | None) -> None:
    """Ends the command as Ctrl-C does: what it was writing is removed."""
    name = signal.Signals(signal_number).name
    raise Stopped(f"ended by {name}.", signal_number)


@contextlib.contextmanager
def _exit_on_failure() -> Iterator[None]:
    """Ends the process in one line on an error inside; errors in our code are raised.

    Help that is cut short by `| head` is no error: the process ends without a message.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, BrokenPipeError) and stop_writing_if_nobody_reads():
            sys.exit(_NOBODY_READS)
        failure = failure_of(error)
        if failure is None:
            raise
        _exit(failure)


@contextlib.contextmanager
def _other_warnings_are_no_errors() -> Iterator[None]:
    """Shows warnings inside, also where PYTHONWARNINGS=error would raise them.

    They are about libraries, which a user of a command cannot mend.
    """
    with warnings.catch_warnings():
        if any(option.startswith("error") for option in sys.warnoptions):
            warnings.simplefilter("default")
        yield


def failure_of(error: BaseException) -> Failure | None:
    """Returns the end of a command on an error; None for an error in our code."""
    if isinstance(error, SystemError) and isinstance(error.__cause__, Stopped):
        error = error.__cause__  # The signal came in TensorFlow's code.
    if hasattr(error, "exit_code"):
        return Failure(str(error) or first_line(error), error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Failure("interrupted.", 128 + signal.SIGINT)
    if isinstance(error, OSError) and error.errno in _ENVIRONMENT_ERRORS:
        reason = error.strerror or os.strerror(error.errno)
        return Failure(f"{reason}: {error.filename or 'while writing'}.", 2)
    if isinstance(error, FileNotFoundError) and _is_nowhere():
        return Failure(
            "the current directory must exist where paths start from it; it has been "
            f"removed, and so there is no {error.filename or 'such path'}.",
            2,
        )
    # Nothing that has not loaded TensorFlow has its errors.
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow and isinstance(error, tensorflow.errors.OpError):
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


def _is_nowhere() -> bool:
    """Returns whether the current directory has been removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _parse(
    arguments: list[str], values: flags.FlagValues, description: str
) -> list[str]:
    """Parses as absl does, but with our help, flag files and errors of one line."""
    # --help shows the flags of the command. absl's own, such as --verbosity, are those
    # of the process; a program around the command may have flags of our names.
    for name in values:
        values.register_key_flag_for_module(sys.argv[0], values[name])
    for module, module_flags in flags.FLAGS.flags_by_module_dict().items():
        for flag in module_flags if module.startswith("absl.") else []:
            if flag.name not in values:
                values[flag.name] = flag
    try:
        program, *expanded = expand_flag_files(arguments)
        _show_help_or_version(expanded, values, description)
        check_arguments(expanded, values)
        rest = values([program, *expanded])
    except flags.Error as error:
        raise required_flag_error(error) from error
    flags.FLAGS.mark_as_parsed()  # absl's logging asks.
    return rest


def _show_help_or_version(
    arguments: list[str], values: flags.FlagValues, description: str
) -> None:
    """Prints the help or version that the arguments ask for, if they do, and exits."""
    texts = {
        "version": lambda *_: f"agave_tf {agave_tf.__version__}",
        "help": short_help,
        "h": short_help,
        "?": short_help,
        "helpfull": full_help,
        "helpshort": lambda *_: f"{description}\n{values.main_module_help()}",
    }
    for argument in arguments:
        name = argument.removeprefix("-").removeprefix("-")
        if name in texts and argument != name:
            print(texts[name](description, values))
            sys.exit(0)


def _exit(failure: Failure) -> NoReturn:
    program = os.path.basename(sys.argv[0])
    message = " ".join(failure.message.splitlines())
    if len(message) > _MOST_SHOWN:
        half = _MOST_SHOWN // 2
        message = f"{message[:half]} ... {message[-half:]}"
    with contextlib.suppress(OSError):  # Nobody may read it.
        print(f"{program}: {message}", file=sys.stderr, flush=True)
    sys.exit(failure.exit_code)

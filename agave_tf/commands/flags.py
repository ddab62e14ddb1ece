"""The flags of the commands in bin/, and how a command ends.

The only module that defines or reads flags. Settings become flags of the same name.
"""

import contextlib
import dataclasses
import errno
import logging as std_logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any


@contextlib.contextmanager
def _without_messages() -> Iterator[None]:
    """Discards what is written to standard error, also by compiled code."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


# TensorFlow greets with a dozen lines, which no setting silences altogether and which
# would bury a one-line error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _without_messages():
    import tensorflow as tf

    # Imports all the rest that greets.
    import agave_tf.training.train_loop  # noqa: F401

from absl import app, flags, logging

from agave_tf.errors import InputError, NonFiniteError, Stopped
from agave_tf.settings.config import PARTS, Config, config_from_settings

FLAGS = flags.FLAGS

_DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define_settings(*part_names: str) -> None:
    """Defines a flag for every setting of the named parts of Config (none: all)."""
    for name in part_names or PARTS:
        define_settings_of(PARTS[name])


def define_settings_of(part: type) -> None:
    """Defines a flag for every field of a dataclass of settings."""
    for field in dataclasses.fields(part):
        _DEFINE[field.type](
            field.name,
            field.default,
            field.metadata["help"],
            module_name=sys.argv[0],
        )


def settings_from_flags(part: type) -> Any:
    """The dataclass of settings that its flags describe."""
    return part(**{f.name: FLAGS[f.name].value for f in dataclasses.fields(part)})


def config_from_flags() -> Config:
    """The Config that the settings' flags describe."""
    names = [f.name for part in PARTS.values() for f in dataclasses.fields(part)]
    return config_from_settings({name: FLAGS[name].value for name in names})


def with_flags(config: Config, part_name: str) -> Config:
    """`config` with those settings of a part that the command line names."""
    part = getattr(config, part_name)
    given = {
        field.name: FLAGS[field.name].value
        for field in dataclasses.fields(part)
        if FLAGS[field.name].present
    }
    return dataclasses.replace(
        config, **{part_name: dataclasses.replace(part, **given)}
    )


def define_run_dir(help_text: str) -> None:
    """Defines --run_dir, which every command needs."""
    flags.DEFINE_string("run_dir", None, help_text, required=True)


def check_output_file(flag: str, path: str, suffix: str) -> None:
    """Raises InputError unless `path` can become a file of that kind."""
    if not path.endswith(suffix):
        raise InputError(f"`{flag}` must end in {suffix}; got {path!r}.")
    directory = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.path.isdir(directory):
        raise InputError(
            f"`{flag}` must be a file in a directory that exists; got {path!r}."
        )


def check_optional_file(flag: str, path: str, suffix: str) -> None:
    """As `check_output_file`; an empty path is none."""
    if path:
        check_output_file(flag, path, suffix)


def check_at_least(flag: str, minimum: int) -> None:
    """Raises InputError if an integer flag is smaller."""
    if FLAGS[flag].value < minimum:
        raise InputError(
            f"`{flag}` must be at least {minimum}; got {FLAGS[flag].value}."
        )


def numbers_of(flag: str, multiple: int = 1) -> list[int]:
    """The positive numbers of a list flag; InputError where there are others."""
    for word in FLAGS[flag].value:
        if not word.isdecimal() or int(word) < 1 or int(word) % multiple:
            of = f"multiples of {multiple}" if multiple > 1 else "positive numbers"
            raise InputError(f"`{flag}` must be {of}, separated by commas; got {word}.")
    return [int(word) for word in FLAGS[flag].value]


def words_of(flag: str, choices: Iterable[str]) -> list[str]:
    """The words of a list flag; InputError where there is one that is no choice."""
    for word in FLAGS[flag].value:
        if word not in choices:
            raise InputError(
                f"`{flag}` must be of {', '.join(choices)}, separated by commas; "
                f"got {word}."
            )
    return FLAGS[flag].value


def run(main: Callable[[], None]) -> None:
    """Runs a command: exit code 0 on success, 2 and one line for bad input.

    1 and one line where training went wrong; other errors keep their traceback.
    """

    def guarded(arguments: list[str]) -> None:
        logging.use_absl_handler()
        if len(arguments) > 1:
            _fail(f"Arguments must be --flags; got {arguments[1]!r}.")
        try:
            main()
        except InputError as error:
            _fail(str(error))
        except NonFiniteError as error:
            _fail(str(error), exit_code=1)
        except KeyboardInterrupt:
            _fail("interrupted.", exit_code=128 + signal.SIGINT)
        except Stopped as stopped:
            # As a shell reports a program that the signal ended.
            _fail(
                str(stopped), exit_code=128 + (stopped.signal_number or signal.SIGTERM)
            )
        except OSError as error:
            if error.errno not in _ENVIRONMENT_ERRORS:
                raise
            _fail(f"{error.strerror}: {error.filename or 'while writing'}.")
        except tf.errors.OpError as error:
            reason = _disk_trouble(error)
            if reason is None:
                raise
            _fail(f"{reason}: while writing a checkpoint or summaries.")

    logging.set_verbosity(logging.INFO)
    tf.get_logger().setLevel(std_logging.WARNING)
    logging.get_absl_handler().addFilter(_is_ours)
    app.run(guarded, flags_parser=_parse_flags)


def _is_ours(record: std_logging.LogRecord) -> bool:
    """Whether a line of the log is from this package, or else a warning."""
    is_from_package = os.path.dirname(os.path.dirname(__file__)) in record.pathname
    return is_from_package or record.levelno > std_logging.INFO


# What the user's machine, not our code, is to blame for.
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


def _disk_trouble(error: tf.errors.OpError) -> str | None:
    """Why TensorFlow could not write a file, if it is the disk's fault."""
    reasons = [os.strerror(n) for n in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]
    return next((r for r in reasons if r in str(error.message)), None)


def _parse_flags(arguments: list[str]) -> list[str]:
    """As absl, but an unusable flag ends in one line and exit code 2."""
    try:
        return FLAGS(arguments)
    except flags.Error as error:
        _fail(str(error).replace("\n", " "))


def _fail(message: str, exit_code: int = 2) -> None:
    print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
    sys.exit(exit_code)

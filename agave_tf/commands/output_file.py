"""Checks of the paths of files that a command will write."""

import os

from agave_tf.errors import InputError
from agave_tf.whole_file import check_can_write


def check_output_file(flag: str, path: str, suffix: str) -> None:
    """Checks a path before the work whose result is written there.

    Args:
      flag: name of the flag that gives the path.
      path: the path of the file.
      suffix: the required ending, such as ".png".

    Raises:
      InputError: the path has another ending, is a directory, or lies in a directory
        that does not exist or cannot be written to.
    """
    if not path.endswith(suffix):
        raise InputError(f"`{flag}` must end in {suffix}; got {path!r}.")
    directory = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.path.isdir(directory):
        raise InputError(
            f"`{flag}` must be a file in a directory that exists; got {path!r}."
        )
    check_can_write(flag, directory)


def check_optional_file(flag: str, path: str, suffix: str) -> None:
    """As `check_output_file`, for a flag that is empty if no file is wanted."""
    if path:
        check_output_file(flag, path, suffix)

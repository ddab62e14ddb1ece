"""Paths as people write them: ~ and ~user at the start stand for home directories.

A shell does not expand the ~ in --run_dir=~/runs, so flags and settings do. Variables
such as $SCRATCH are left to the shell.
"""

import os

from agave_tf.errors import InputError

# The limits of Linux, in bytes. A path has room for the files of a run directory.
_LONGEST_NAME = 255
_LONGEST_PATH = 4095 - 256
# Characters of a path that an error shows.
_MOST_SHOWN = 60


def expand_path(path: str | os.PathLike[str], name: str) -> str:
    """Replaces ~ or ~user at the start of a path by the home directory.

    A file or directory whose own name begins with ~ is written as ./~name.

    Args:
      path: the path.
      name: the setting or argument that gives it, for the error.

    Raises:
      InputError: there is no such user, or no home directory; or no file can have such
        a path, because it or a name in it is too long.
    """
    path = os.fspath(path)
    _check_length(path, name)
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        user = path.partition("/")[0]
        raise InputError(
            f"`{name}` must begin with a home directory that exists, but {user} is "
            f"none; got {path!r}. ./{path} is a path of this name."
        )
    return expanded


def _check_length(path: str, name: str) -> None:
    """Refuses a path that the system would refuse later, after hours of work."""
    in_bytes = path.encode("utf-8", "replace")  # One byte for one that is no UTF-8.
    longest, length = max(map(len, in_bytes.split(b"/"))), len(in_bytes)
    shown = path if len(path) <= _MOST_SHOWN else f"{path[:_MOST_SHOWN]}..."
    if "\0" in path:
        raise InputError(f"`{name}` must not have the character 0; got {shown!r}.")
    if longest > _LONGEST_NAME:
        raise InputError(
            f"`{name}` must have names of at most {_LONGEST_NAME} bytes between its "
            f"slashes; got one of {longest}: {shown!r}."
        )
    if length > _LONGEST_PATH:
        raise InputError(
            f"`{name}` must have at most {_LONGEST_PATH} bytes; got {length}: "
            f"{shown!r}."
        )


def refuse_both(path: str, name: str) -> None:
    """Refuses a path that begins with ~ if it exists below a directory named ~ alone.

    Version 0.1 did not expand ~: what it wrote to ~/runs is in ./~/runs. A command must
    not start anew in the home directory, as if there were no run.

    Args:
      path: the path, not expanded.
      name: the flag that gives it, for the error.

    Raises:
      InputError: the path exists as it is written, and not in the home directory.
    """
    expanded = os.path.expanduser(path)
    is_literal = path.startswith("~") and os.path.lexists(path)
    if is_literal and not os.path.lexists(expanded):
        raise InputError(
            f"`{name}` must say which path it is, ./{path}, which exists, or "
            f"{expanded}, which is new; got {path!r}."
        )

"""Files and directories that are written whole or not at all.

Each is filled under the temporary name `.NAME.PID-RANDOM.partial` beside its place, and
renamed when it is complete. A temporary name is only taken where nothing has it, so no
file of a user or of another process is overwritten or removed.
"""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from agave_tf.errors import InputError

_TEMPORARY = re.compile(r"\..*\.(\d+)-[0-9a-f]{8}\.partial")


@contextlib.contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """Opens a file to write; `path` names it once it is complete and on disk.

    After a failure `path` is what it was before, and nothing else is left.
    """
    temporary = _temporary_name(path)
    # "x" fails where the name is taken, and gives the permissions that "w" would.
    file = open(temporary, "xb")  # noqa: SIM115
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


def write_text(path: str, text: str) -> None:
    """Writes a text file in UTF-8."""
    with writing(path) as file:
        file.write(text.encode())


def write_npz(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to an uncompressed .npz file."""
    with writing(path) as file:
        # Any, because the type of savez cannot tell arrays from its own `allow_pickle`.
        named: dict[str, Any] = dict(arrays)
        np.savez(file, **named)


def check_new_directory(flag: str, path: str) -> None:
    """Checks that a directory can be made at `path`.

    Args:
      flag: the setting that gives `path`, for messages.
      path: of the directory.

    Raises:
      InputError: `path` exists, or the directory it is to be made in does not.
    """
    if os.path.lexists(path):
        raise InputError(f"`{flag}` must not exist yet; {path} does.")
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        raise InputError(
            f"`{flag}` must be in a directory that exists; there is no {parent}."
        )


@contextlib.contextmanager
def new_directory(path: str) -> Iterator[str]:
    """Gives an empty temporary directory to fill, which becomes `path` at the end.

    After a failure the temporary directory is removed and `path` does not exist.

    Raises:
      FileExistsError: `path` exists at the end.
    """
    path = os.path.abspath(path)
    temporary = _temporary_name(path)
    os.mkdir(temporary)
    try:
        yield temporary
        # `rename` alone would replace a directory that is empty.
        if os.path.lexists(path):
            raise FileExistsError(f"{path} was made by another process.")
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_remains(directory: str) -> None:
    """Removes the temporary files and directories that killed processes left.

    Those of a process that runs on this machine stay. Call it before this process
    writes there: a remainder with this process's number is of an earlier process.
    """
    for entry in os.scandir(directory):
        match = _TEMPORARY.fullmatch(entry.name)
        if not match or _is_running_elsewhere(int(match[1])):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.remove(entry.path)


def _temporary_name(path: str) -> str:
    directory, name = os.path.split(path)
    # Cut short, so that the longest name that a file can have leaves room for the rest.
    unique = f".{name[:50]}.{os.getpid()}-{secrets.token_hex(4)}.partial"
    return os.path.join(directory, unique)


def _is_running_elsewhere(process: int) -> bool:
    """Whether another process of this machine has the number `process`."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)  # Sends no signal, only checks.
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True

"""Files and directories that are written whole or not at all.

Each is filled under the temporary name `.NAME.RANDOM.locked.partial` beside its place,
and renamed when it is complete. A temporary name is only taken where nothing has it, so
no file of a user or of another process is overwritten.

Its writer holds a lock: on the file, or on the file `.lock` in the directory. The lock
ends with the process, on whatever machine that runs, so the next one that writes into
the place can tell remains from what is being written, and removes them.
"""

import contextlib
import os
import re
import secrets
import shutil
import stat
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from agave_tf.errors import InputError
from agave_tf.file_lock import LockState, is_named, try_lock

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}\.locked\.partial")
# The temporary names of versions 0.1 and 0.2, whose processes held no lock.
_TEMPORARY_0_2 = re.compile(r"\..*\.\d+-[0-9a-f]{8}\.partial")
_LOCK = ".lock"  # in a temporary directory
# Files that no lock tells from remains are kept until unchanged for this long.
_DAY = 24 * 60 * 60.0


@contextlib.contextmanager
def writing(path: str) -> Iterator[BinaryIO]:
    """Opens a file to write; `path` names it once it is complete and on disk.

    After a failure `path` is what it was before, and nothing else is left.
    """
    directory = os.path.dirname(path) or "."
    remove_remains(directory)
    temporary, file = _new_file(lambda: _temporary_name(path))
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # While it is locked: nobody may take it for remains.
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


def write_text(path: str, text: str) -> None:
    """Writes a text file in UTF-8."""
    with writing(path) as file:
        file.write(text.encode())


def write_npz(
    path: str,
    arrays: Mapping[str, np.ndarray],
    comment: bytes = b"",
    compressed: bool = False,
) -> None:
    """Writes arrays to an .npz file.

    Args:
      path: the file to write.
      arrays: by name.
      comment: the comment of the .npz, a ZIP archive; np.load passes over it.
      compressed: takes longer, and makes weights smaller by a fifteenth.
    """
    with writing(path) as file:
        # Any, because the type of savez cannot tell arrays from its own `allow_pickle`.
        named: dict[str, Any] = dict(arrays)
        (np.savez_compressed if compressed else np.savez)(file, **named)
        if comment:
            with zipfile.ZipFile(file, "a") as archive:
                archive.comment = comment


def check_can_write(flag: str, directory: str) -> None:
    """Checks, by making a file, that files can be written to a directory.

    Args:
      flag: the setting that gives the directory, for messages.
      directory: it exists.

    Raises:
      InputError: they cannot.
    """
    remove_remains(directory)
    try:
        path, file = _new_file(lambda: _temporary_name(os.path.join(directory, "x")))
        file.close()
        os.remove(path)
    except OSError as error:
        raise InputError(
            f"`{flag}` must be in a directory that can be written to; {directory} "
            f"cannot be ({error.strerror})."
        ) from error


def check_new_directory(flag: str, path: str) -> None:
    """Checks that a directory can be made at `path`.

    Args:
      flag: the setting that gives `path`, for messages.
      path: the directory to make.

    Raises:
      InputError: `path` exists, or the directory it is to be made in does not or cannot
        be written to.
    """
    if os.path.lexists(path):
        raise InputError(f"`{flag}` must not exist yet; {path} does.")
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        raise InputError(
            f"`{flag}` must be in a directory that exists; there is no {parent}."
        )
    check_can_write(flag, parent)


@contextlib.contextmanager
def new_directory(path: str) -> Iterator[str]:
    """Gives an empty temporary directory to fill, which becomes `path` at the end.

    After a failure the temporary directory is removed and `path` does not exist.

    Raises:
      FileExistsError: `path` exists at the end.
    """
    path = os.path.abspath(path)
    remove_remains(os.path.dirname(path))
    temporary = _temporary_name(path)
    os.mkdir(temporary)
    try:
        lock, file = _new_file(lambda: os.path.join(temporary, _LOCK))
        with file:
            yield temporary
            # `rename` alone would replace a directory that is empty.
            if os.path.lexists(path):
                raise FileExistsError(f"{path} was made by another process.")
            os.remove(lock)
            os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_remains(directory: str) -> None:
    """Removes temporary files and directories whose processes have ended.

    Those of running processes stay, whatever machine or container they run on. If no
    lock can tell, because the file system or the writer (version 0.2) had none, they
    are removed after a day without a change.
    """
    try:
        entries = list(os.scandir(directory))
    except OSError:  # Whoever writes there next is told why it cannot be.
        return
    for entry in entries:
        if not _TEMPORARY.fullmatch(entry.name):
            if _TEMPORARY_0_2.fullmatch(entry.name) and _is_old(entry.path):
                _remove(entry.path)
            continue
        is_directory = entry.is_dir(follow_symlinks=False)
        lock = os.path.join(entry.path, _LOCK) if is_directory else entry.path
        _remove_if_left(entry.path, lock)


def _remove_if_left(path: str, lock: str) -> None:
    """Removes a temporary file or directory unless the file `lock` is locked."""
    try:
        # A pipe of that name would wait for a reader.
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(lock, flags)
    except FileNotFoundError:
        # A directory whose process is about to lock it, or to give it its name.
        if _is_old(path):
            _remove(path)
        return
    except OSError:  # Another user's, or no plain file.
        return
    try:
        state = try_lock(descriptor)
        is_left = state is LockState.OURS or (
            state is LockState.UNSUPPORTED and _is_old(path)
        )
        is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if is_left and is_plain and is_named(descriptor, lock):
            _remove(path)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    """Removes a file or a directory, as far as this user may."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        os.remove(path)


def _is_old(path: str) -> bool:
    """Returns whether a file, or all in a directory, has not changed for a day."""
    inside = (
        os.path.join(directory, name)
        for directory, _, names in os.walk(path)
        for name in (*names, ".")
    )
    try:
        changed = max(os.lstat(each).st_mtime for each in (path, *inside))
    except FileNotFoundError:  # Its process goes on with it.
        return False
    return time.time() - changed > _DAY


def _new_file(name: Callable[[], str]) -> tuple[str, BinaryIO]:
    """Makes a file and locks it; returns its path too.

    Args:
      name: gives a path that nothing has.
    """
    while True:
        path = name()
        # "x" fails where the name is taken, and gives the permissions that "w" would.
        file = open(path, "x+b")  # noqa: SIM115
        try:
            state = try_lock(file.fileno())
            # Another process may have found it unlocked, and be removing it.
            if state is not LockState.TAKEN and is_named(file.fileno(), path):
                return path, file
        except BaseException:
            file.close()
            raise
        file.close()


def _temporary_name(path: str) -> str:
    directory, name = os.path.split(path)
    # Cut short, so that the longest name that a file can have leaves room for the rest.
    unique = f".{name[:50]}.{secrets.token_hex(4)}.locked.partial"
    return os.path.join(directory, unique)

"""One process at a time may write into a run directory."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from typing import TextIO

from agave_tf.errors import InputError
from agave_tf.whole_file import remove_remains

LOCK_FILE = "lock"


@contextlib.contextmanager
def run_lock(path: str) -> Iterator[None]:
    """Keeps other processes out of the run directory `path` within this context.

    It makes the directory if there is none. The lock is the operating system's, so it
    ends with the process, however that ends. A directory in which nothing but the lock
    was made is removed again. What killed processes left half-written is removed.

    Raises:
      InputError: another process has the lock.
    """
    lock_path = os.path.join(path, LOCK_FILE)
    file = _locked(path, lock_path)
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        remove_remains(path)
        yield
    finally:
        if os.listdir(path) == [LOCK_FILE]:
            os.remove(lock_path)
            os.rmdir(path)
        file.close()


def _locked(path: str, lock_path: str) -> TextIO:
    """The open lock file, locked, and still the one that has its name.

    Between opening and locking, the process that held the lock may have removed the
    file: a lock on a file that has no name any more keeps nobody out.
    """
    while True:
        os.makedirs(path, exist_ok=True)
        try:
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # The directory has just been removed again.
            continue
        file = os.fdopen(descriptor, "r+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = file.read().strip() or "another process"
            file.close()
            raise InputError(
                f"`run_dir` must not be in use; {path} is, by {holder}."
            ) from error
        if _is_named(file, lock_path):
            return file
        file.close()


def _is_named(file: TextIO, path: str) -> bool:
    """Returns whether an open file still has this path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False

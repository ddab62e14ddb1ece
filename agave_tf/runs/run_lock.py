"""One process at a time may write into a run directory."""

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import TextIO

from agave_tf.errors import InputError
from agave_tf.file_lock import LockState, is_named, try_lock
from agave_tf.runs.holder_file import HOLDER_FILE, holding
from agave_tf.whole_file import remove_remains

LOCK_FILE = "lock"
LOCK_FILES = frozenset((LOCK_FILE, HOLDER_FILE))


@contextlib.contextmanager
def run_lock(path: str) -> Iterator[None]:
    """Keeps other processes out of the run directory `path` within this context.

    It makes the directory if there is none. The lock is the operating system's, so it
    ends with the process, however that ends. On a file system without locks a file
    names the holder instead; a killed process leaves it, and the next one on the same
    machine takes over. A directory in which nothing but the lock was made is removed
    again. What killed processes left half-written is removed.

    Raises:
      InputError: another process has the lock.
    """
    try:
        with _locked(path):
            remove_remains(path)
            yield
    finally:
        with contextlib.suppress(OSError):  # It is not empty.
            os.rmdir(path)


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    lock_path = os.path.join(path, LOCK_FILE)
    file, state = _opened(path, lock_path)
    has_locks = state is not LockState.UNSUPPORTED
    with file, contextlib.nullcontext() if has_locks else holding(path):
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            if set(os.listdir(path)) <= LOCK_FILES:
                os.remove(lock_path)


def _opened(path: str, lock_path: str) -> tuple[TextIO, LockState]:
    """The open lock file, still the one that has its name, and whether it is locked."""
    while True:
        os.makedirs(path, exist_ok=True)
        try:
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # The directory has just been removed again.
            continue
        file = os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")
        state = try_lock(descriptor)
        if state is LockState.TAKEN:
            holder = file.read(1000).strip() or "another process"
            file.close()
            raise InputError(f"`run_dir` must not be in use; {path} is, by {holder}.")
        if is_named(descriptor, lock_path):
            return file, state
        file.close()

"""A context that processes enter one after another."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from absl import logging

from agave_tf.file_lock import LockState, is_named, try_lock


@contextlib.contextmanager
def one_at_a_time(path: str, work: str) -> Iterator[None]:
    """Waits until no other process is in this context with the same `path`.

    The lock is the operating system's, so it ends with the process, however that ends.
    On a file system without locks nobody waits, which is said.

    Args:
      path: of the file to lock, which is made, and removed at the end.
      work: what another process does if this one waits, for the log.

    Raises:
      OSError: the file cannot be made.
    """
    descriptor = _locked(path, work)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        os.close(descriptor)


def _locked(path: str, work: str) -> int:
    """The file, locked, and still the one that has its name.

    The process before us removes it: a lock on a file without a name keeps nobody out.
    """
    while True:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        state = try_lock(descriptor)
        if state is LockState.UNSUPPORTED:
            logging.warning("%s: its file system has no locks; not waiting.", path)
            return descriptor
        if state is LockState.TAKEN:
            logging.info("Waiting for another process, %s (%s)", work, path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if is_named(descriptor, path):
            return descriptor
        os.close(descriptor)

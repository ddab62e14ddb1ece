"""A context that processes enter one after another."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from absl import logging


@contextlib.contextmanager
def one_at_a_time(path: str, work: str) -> Iterator[None]:
    """Waits until no other process is in this context with the same `path`.

    The lock is the operating system's, so it ends with the process, however that ends.

    Args:
      path: of the file to lock, which is made, and removed at the end.
      work: what another process does if this one waits, for the log.

    Raises:
      OSError: the file cannot be made, or its file system has no locks.
    """
    descriptor = _locked(path, work)
    try:
        yield
    finally:
        os.remove(path)
        os.close(descriptor)


def _locked(path: str, work: str) -> int:
    """The file, locked, and still the one that has its name.

    The process before us removes it: a lock on a file without a name keeps nobody out.
    """
    while True:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logging.info("Waiting for another process, %s (%s)", work, path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)

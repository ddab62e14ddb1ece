"""Locks of the operating system on open files: they end with the process.

They work between processes, containers and, over NFS, hosts. Some file systems have
none, such as Lustre mounted without `flock`.
"""

import enum
import errno
import fcntl
import os

# The errors of flock on a file system without locks.
_UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}


class LockState(enum.Enum):
    """The outcome of `try_lock`."""

    OURS = "ours"
    TAKEN = "taken"  # by another open file, in this process or another
    UNSUPPORTED = "unsupported"  # by the file system


def try_lock(descriptor: int) -> LockState:
    """Locks an open file until it is closed; returns at once.

    Args:
      descriptor: the file's, which is open for writing, as NFS requires.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return LockState.TAKEN
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return LockState.UNSUPPORTED
        raise
    return LockState.OURS


def is_named(descriptor: int, path: str) -> bool:
    """Returns whether an open file still has this path.

    Between opening and locking, another process may have removed the file: a lock on a
    file without a name keeps nobody out.
    """
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False

"""One process at a time may write into a run directory."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator

from agave_tf.errors import InputError

LOCK_FILE = "lock"


@contextlib.contextmanager
def run_lock(path: str) -> Iterator[None]:
    """Within this context the run directory `path` is ours; makes it if need be.

    The lock is the operating system's, so it ends with the process, however that ends.
    A directory in which nothing but the lock was made is removed again.

    Raises:
      InputError: another process has it.
    """
    os.makedirs(path, exist_ok=True)
    lock_path = os.path.join(path, LOCK_FILE)
    with open(lock_path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise InputError(
                f"`run_dir` must not be in use; {path} is, by {holder}."
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            if os.listdir(path) == [LOCK_FILE]:
                os.remove(lock_path)
                os.rmdir(path)

"""A file that stands for a lock, on a file system that has none.

The process that makes it has the directory. Lustre without `flock` is such a system.
"""

import contextlib
import json
import os
import secrets
import socket
from collections.abc import Iterator
from typing import Any

from absl import logging

from agave_tf.errors import InputError

HOLDER_FILE = "lock.holder"
_MOST_BYTES = 4096  # read of the file


@contextlib.contextmanager
def holding(path: str) -> Iterator[None]:
    """Keeps other processes out of the directory `path` within this context.

    A killed process leaves the file. The next one on the same machine takes over; on
    another machine it cannot know whether that process runs, and is refused.

    Raises:
      InputError: another process has the directory, or may have it.
    """
    holder_path = os.path.join(path, HOLDER_FILE)
    while not _make(holder_path):
        _remove_if_left(path, holder_path)
    logging.info(
        "%s is on a file system without locks (flock): %s keeps others out.",
        path,
        HOLDER_FILE,
    )
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(holder_path)


def _make(holder_path: str) -> bool:
    """Makes the file; False if there is one."""
    try:
        descriptor = os.open(holder_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(_this_process(), file)
    return True


def _remove_if_left(path: str, holder_path: str) -> None:
    """Removes the file of a process that is known to have ended.

    Raises:
      InputError: it runs, or may run.
    """
    try:
        with open(holder_path, encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return
    try:
        holder = json.loads(text)
        has_ended = _has_ended(holder)
    except (ValueError, TypeError, KeyError, RecursionError):
        holder, has_ended = {}, False
    if not has_ended:
        who = "another process"
        if holder:
            who = f"process {holder.get('process')} on {holder.get('host')}"
        raise InputError(
            f"`run_dir` must not be in use; {path} is, by {who}. Its file system has "
            f"no locks: if that process has ended, remove {holder_path}."
        )
    # Several processes may want to remove it; one of them can rename it.
    aside = f"{holder_path}.{secrets.token_hex(4)}"
    with contextlib.suppress(FileNotFoundError):
        os.rename(holder_path, aside)
        with open(aside, encoding="utf-8", errors="replace") as file:
            is_another = file.read(_MOST_BYTES) != text
        if is_another:  # It was made after we had read the old one: put it back.
            with contextlib.suppress(FileExistsError):
                os.link(aside, holder_path)
        os.remove(aside)


def _this_process() -> dict[str, Any]:
    process = os.getpid()
    return {
        "process": process,
        "host": socket.gethostname(),
        "boot": _boot(),
        "namespace": _namespace(),
        "started": _started(process),
    }


def _has_ended(holder: dict[str, Any]) -> bool:
    """Returns whether a process is known to have ended; one elsewhere is not known."""
    if (holder["boot"], holder["namespace"]) != (_boot(), _namespace()):
        return False
    # Another process may have got its number.
    return _started(int(holder["process"])) != holder["started"]


def _boot() -> str:
    """An identifier that changes each time this machine is started."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _namespace() -> str:
    """An identifier of the container, which numbers its processes on its own."""
    return os.readlink("/proc/self/ns/pid")


def _started(process: int) -> str | None:
    """The time at which a process was started, in clock ticks; None if it ended."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            # The name before the last ")" may have blanks; the 22nd field is the time.
            return file.read().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None

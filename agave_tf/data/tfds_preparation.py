"""Prepares a TFDS data set: downloads it, by one process at a time.

Without a network a download ends soon.
"""

import contextlib
import fcntl
import logging as std_logging
import os
from collections.abc import Iterator

import tensorflow_datasets as tfds
from absl import logging

from agave_tf.data.tfds_builder import find_builder
from agave_tf.errors import InputError, first_line
from agave_tf.file_lock import LockState, is_named, try_lock
from agave_tf.settings.data import DataConfig

# Retries without reaching the server, some 6 s. TFDS makes 10, for 3 minutes.
_MOST_RETRIES = 5
# By name, because urllib3 is not ours: TFDS may one day do without it.
_LOGGER = "urllib3.connectionpool"
_UNREACHED = {"NewConnectionError", "ConnectTimeoutError", "ProxyError"}


def download(builder: tfds.core.DatasetBuilder) -> None:
    """Prepares a data set; downloads it if it is not there.

    Raises:
      Exception: whatever TFDS raises; ConnectionError if a server is not reached.
    """
    if not builder.is_prepared():
        name, directory = builder.info.full_name, builder.data_dir
        logging.info("Downloading %s, which is not in %s yet", name, directory)
    with _few_retries():
        builder.download_and_prepare()


@contextlib.contextmanager
def _few_retries() -> Iterator[None]:
    """Ends a download inside the context if it cannot reach its server.

    TFDS takes no number of retries. urllib3 logs each before it waits,
    where we can end them.
    """
    logger = std_logging.getLogger(_LOGGER)
    logger.addFilter(_end_retries)
    try:
        yield
    finally:
        logger.removeFilter(_end_retries)


def _end_retries(record: std_logging.LogRecord) -> bool:
    """Raises ConnectionError at one retry too many; those before are not shown."""
    if not isinstance(record.args, tuple) or len(record.args) < 2:
        return True
    retry, error = record.args[:2]
    if not _UNREACHED & {kind.__name__ for kind in type(error).__mro__}:
        return True
    if len(getattr(retry, "history", ())) >= _MOST_RETRIES:
        raise ConnectionError(f"the server is not reached: {error}")
    return False


def prepared_builder(
    builder: tfds.core.DatasetBuilder, config: DataConfig
) -> tfds.core.DatasetBuilder:
    """Returns the builder of the data set, which one process prepares as others wait.

    If it is prepared already, nothing is written.
    """
    try:
        if os.path.exists(builder.data_dir):
            download(builder)
            return builder
        with _alone(builder):
            # If another process has prepared it in the meantime, its splits are there.
            builder = find_builder(config)
            download(builder)
            return builder
    except Exception as error:  # TFDS raises whatever its sources raise.
        raise InputError(
            f"`dataset` {config.dataset} must be prepared in `data_dir` or "
            f"downloadable; got data_dir={config.data_dir!r}; TFDS says: "
            f"{first_line(error)}"
        ) from error


def _alone(builder: tfds.core.DatasetBuilder) -> contextlib.AbstractContextManager:
    """A context that one process is in at a time, for each data set and directory."""
    root, name = os.fspath(builder.data_dir_root), builder.info.full_name
    if "://" in root:
        return contextlib.nullcontext()  # An object store has no locks.
    lock = os.path.join(root, f".{name.replace('/', '-')}.lock")
    return one_at_a_time(lock, f"which prepares {name}")


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

"""Downloads a TFDS data set, and says so; without a network it ends soon."""

import contextlib
import logging as std_logging
from collections.abc import Iterator

import tensorflow_datasets as tfds
from absl import logging

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
    """A context in which a download ends that cannot reach its server.

    TFDS takes no number of retries. urllib3 says each in its log before it waits, which
    is where we can end them.
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

"""The lines that a command logs: the time and the text."""

import json
import logging as std_logging
import os
import time

from absl import logging

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_MARKS = {"WARNING": "Warning: ", "ERROR": "Error: ", "CRITICAL": "Error: "}


class LineFormatter(std_logging.Formatter):
    """Formats a record as 23:59:59 TEXT, or as 23:59:59 Warning: TEXT.

    The first line of a new day begins with the date.

    Args:
      worker: name of this process, which its lines begin with after the time; empty:
        none.
    """

    def __init__(self, worker: str = ""):
        super().__init__()
        self._worker = f"{worker}: " if worker else ""
        self._day = time.localtime()[:3]

    def format(self, record: std_logging.LogRecord) -> str:
        """Returns the line of a record; more lines if its text has them."""
        when = time.localtime(record.created)
        shown = "%H:%M:%S" if when[:3] == self._day else "%Y-%m-%d %H:%M:%S"
        self._day = when[:3]
        mark = _MARKS.get(record.levelname, "")
        text = super().format(record)
        return f"{time.strftime(shown, when)} {self._worker}{mark}{text}"


def log_lines_for_people() -> None:
    """Writes the log of this process to standard error, by `LineFormatter`.

    The log has the records of this package, and the warnings of all others, but for
    those that something is deprecated: they are for programmers. TFDS warns of itself.
    """
    logging.set_verbosity(logging.INFO)
    handler = logging.get_absl_handler()
    handler.setFormatter(LineFormatter(_worker()))
    handler.addFilter(_is_shown)


def stop_second_handlers(logger: std_logging.Logger) -> None:
    """Leaves the warnings of a library to our log; its handlers would show them twice.

    Args:
      logger: the library's.
    """
    logger.setLevel(std_logging.WARNING)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)


def _worker() -> str:
    """Returns the job and number of this process, if TF_CONFIG lists several; else "".

    The lines of several processes may meet in one file. Training, when it reads
    TF_CONFIG, reports what is wrong with it.
    """
    try:
        content = json.loads(os.environ.get("TF_CONFIG", ""))
        count = sum(map(len, content["cluster"].values()))
        task = content["task"]
        return f"{task['type']} {task['index']}" if count > 1 else ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


def _is_shown(record: std_logging.LogRecord) -> bool:
    """Returns True for a record of this package, and for most warnings of any other."""
    if record.pathname.startswith(_PACKAGE):
        return True
    return record.levelno > std_logging.INFO and not _is_deprecation(record)


def _is_deprecation(record: std_logging.LogRecord) -> bool:
    return "is deprecated" in record.getMessage()

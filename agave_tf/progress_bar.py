"""Progress of long work: a bar on a terminal, elsewhere a line of the log a minute."""

import io
import sys
from typing import Any

import tqdm
from absl import logging

# Between two lines of the log, and before the first: short work has none.
_SECONDS = 60


def progress_bar(
    caption: str,
    total: int | None = None,
    unit: str = "image",
    leave: bool = True,
    disable: bool = False,
) -> tqdm.tqdm:
    """Returns a bar to call `update` on with what is done, and to use as a context.

    Args:
      caption: what is being done.
      total: units of the whole work; None: unknown.
      unit: its name in the singular.
      leave: keeps the bar on the terminal when the work is done.
      disable: shows nothing anywhere.
    """
    # tqdm writes to standard error.
    is_bar = disable or (sys.stderr is not None and sys.stderr.isatty())
    kind = tqdm.tqdm if is_bar else _LoggedBar
    return kind(desc=caption, total=total, unit=unit, leave=leave, disable=disable)


class _LoggedBar(tqdm.tqdm):
    """Writes lines into the log in the place of a bar."""

    # Without the thread that looks after bars which are updated too rarely.
    monitor_interval = 0
    _last_written = 0  # how much was done then

    def __init__(self, **options: Any):
        super().__init__(
            file=io.StringIO(),  # What tqdm writes beside `display`: line ends.
            mininterval=_SECONDS,
            delay=_SECONDS,
            miniters=1,
            **options,
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Writes a line; tqdm calls it when it is time, as it asks subclasses to."""
        # A text takes the bar away; the end may come with what was written already.
        if msg is not None or self.n == self._last_written:
            return
        self._last_written = self.n
        done, total, seconds = self.n, self.total, self.format_dict["elapsed"]
        text = f"{self.desc}: {done}"
        if total:
            text += f" of {total}"
        text += f" {self.unit}s in {self.format_interval(seconds)}"
        if total and 0 < done < total:
            left = seconds / done * (total - done)
            text += f", about {self.format_interval(left)} left"
        logging.info("%s%s", text, f", {self.postfix}" if self.postfix else "")

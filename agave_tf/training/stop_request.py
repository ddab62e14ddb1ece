"""SIGTERM and SIGINT as wishes that training grants between two steps."""

import contextlib
import signal
from collections.abc import Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether a signal has come, and which."""

    def __init__(self):
        self.signal_number = 0

    def __bool__(self) -> bool:
        return self.signal_number != 0

    def receive(self, signal_number: int, _frame: object) -> None:
        """Handles a signal. The second one acts as if there were no handler.

        Raises nothing: in the middle of TensorFlow's code that ends in a SystemError.
        """
        self.signal_number = signal_number
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within this context signals are noted, if this is the main thread."""
    request = StopRequest()
    try:
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            signal.signal(number, request.receive)
    except ValueError:  # Not the main thread: nothing to note.
        before = {}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

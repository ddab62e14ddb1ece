"""SIGTERM and SIGINT as requests to stop, which training obeys between two steps."""

import contextlib
import signal
from collections.abc import Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Remembers whether a signal has come, and which; true once one has."""

    def __init__(self) -> None:
        self.signal_number = 0

    def __bool__(self) -> bool:
        return self.signal_number != 0

    def receive(self, signal_number: int, _frame: object) -> None:
        """Handles the first signal; the second acts as if there were no handler.

        It raises nothing, because an exception in the middle of TensorFlow's code ends
        in a SystemError.
        """
        self.signal_number = signal_number
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Notes signals within this context, if this is the main thread."""
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

"""Signals as requests to stop, which are obeyed at a good moment."""

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from absl import logging

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequest:
    """Remembers whether a signal has come, and which; true once one has."""

    def __init__(self) -> None:
        self.signal_number = 0

    def __bool__(self) -> bool:
        return self.signal_number != 0


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Notes the first signal within this context, if this is the main thread.

    The second acts as if there were no handler. Nothing is raised, because an exception
    in the middle of TensorFlow's code ends in a SystemError.
    """
    request = StopRequest()

    def receive(signal_number: int, _frame: FrameType | None) -> None:
        request.signal_number = signal_number
        for number in handled:
            signal.signal(number, signal.SIG_DFL)

    with handling(STOP_SIGNALS, receive) as handled:
        yield request


@contextlib.contextmanager
def handling(
    numbers: Sequence[signal.Signals],
    handler: Callable[[int, FrameType | None], None],
) -> Iterator[list[signal.Signals]]:
    """Gives signals a handler within this context; yields those that have it.

    Left alone are all of them outside the main thread, where Python handles none;
    those with a handler that is not Python's, such as one of a host program in C, which
    could not be set again; and SIGHUP where it is ignored, as under nohup.

    Args:
      numbers: the signals.
      handler: as `signal.signal` takes it.
    """
    before = {}
    try:
        for number in numbers:
            present = signal.getsignal(number)
            if present is None:
                logging.info("%s keeps the handler of its program.", number.name)
            elif number != signal.SIGHUP or present is not signal.SIG_IGN:
                signal.signal(number, handler)
                before[number] = present
    except ValueError:  # Not the main thread.
        pass
    try:
        yield [*before]
    finally:
        for number, present in before.items():
            signal.signal(number, present)

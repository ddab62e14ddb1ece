"""Loads the work of a command, and TensorFlow with it, when its flags are right."""

import contextlib
import gc
import importlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from agave_tf.commands.compilation_cache import compiled_code_kept
from agave_tf.training.stop_request import STOP_SIGNALS, handling


def run_work(command: str, *arguments: Any) -> None:
    """Does the work of a command; loads TensorFlow first, which takes seconds.

    Args:
      command: name of the module in agave_tf/commands/work.
      *arguments: those of its function `run`.
    """
    with compiled_code_kept(), _few_garbage_collections():
        with _ended_by_signals(), _no_garbage_collection():
            work = importlib.import_module(f"agave_tf.commands.work.{command}")
        work.run(*arguments)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keeps Python from looking for garbage among what is imported inside.

    TensorFlow's are a million objects, which stay; it does not look at them later
    either. After a command before this one, what that left may be garbage.
    """
    was_enabled, is_first = gc.isenabled(), "tensorflow" not in sys.modules
    gc.disable()
    try:
        yield
    finally:
        if is_first:
            gc.freeze()
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _few_garbage_collections() -> Iterator[None]:
    """Has Python look for garbage less often: a graph is made of a million objects."""
    before = gc.get_threshold()
    gc.set_threshold(10_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Raises what the handler of a signal raised inside, whatever caught it there.

    Libraries take any error of an import for that of a module that is not installed.
    """
    raised: list[BaseException] = []
    found = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    handlers = {n: handler for n, handler in found.items() if callable(handler)}

    def note(number: int, frame: FrameType | None) -> None:
        try:
            handlers[signal.Signals(number)](number, frame)
        except BaseException as error:
            raised.append(error)
            raise

    with handling([*handlers], note):
        try:
            yield
        except BaseException:
            if not raised:
                raise
    if raised:
        raise raised[0]

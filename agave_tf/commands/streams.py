"""Opens, silences and closes the standard streams of a command."""

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO


def open_closed_streams() -> None:
    """Opens the standard streams that are closed, as those of a daemon may be.

    Text that is written to them is lost. Otherwise a file that is opened later could
    get the descriptor of standard error, and compiled code would write messages to it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest number that is free.
        if getattr(sys, name) is None:
            mode = "w" if descriptor else "r"
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, stream)


@contextlib.contextmanager
def without_messages() -> Iterator[None]:
    """Discards everything written to standard error, also by compiled code."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def shown_on(stream: TextIO, text: str) -> Iterator[None]:
    """Shows a text while the context lasts, if the stream is a terminal."""
    is_terminal = stream.isatty()
    if is_terminal:
        stream.write(text)
        stream.flush()
    try:
        yield
    finally:
        if is_terminal:
            # Blanks, because a simple terminal (TERM=dumb) erases nothing by itself.
            stream.write(f"\r{' ' * len(text)}\r")
            stream.flush()


def escape_what_cannot_be_shown() -> None:
    """Lets characters that a stream's encoding lacks appear as \\xe8, not fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def stop_writing_if_nobody_reads() -> bool:
    """Discards standard output if it is a pipe without a reader, as after `| head`.

    Otherwise Python would report a broken pipe at its end.

    Returns:
      True if it is such a pipe.
    """
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # Not a file, as in a notebook; or closed.
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return True

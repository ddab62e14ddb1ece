"""Reads iterables of a Python program again and again: lists, generators, loaders."""

import functools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

import tensorflow as tf

from agave_tf.data.batches import without_autotuning
from agave_tf.data.python_passes import Passes
from agave_tf.data.source import Notes, StoredChunk
from agave_tf.errors import InputError

# About the memory that an element of a generator takes beside its pixels.
_ELEMENT_BYTES = 1000


def passes_over(
    name: str, iterable: Iterable[Any], read: Callable[..., StoredChunk]
) -> Passes:
    """Prepares to read an iterable several times, each time from its start.

    Args:
      name: of the iterable, for messages.
      iterable: a generator is kept in memory in its first pass.
      read: makes images of an element, and counts in its argument `notes` what
        becomes of it.

    Raises:
      InputError: it repeats for ever.
    """
    length = _length(name, iterable)
    if isinstance(iterable, tf.data.Dataset):
        options = without_autotuning()
        # The other options stay; these change how fast it is read.
        options.deterministic = True
        elements = iterable.with_options(options).as_numpy_iterator
    elif iter(iterable) is iterable:
        kept = _Kept(name, iter(iterable), read)
        return Passes(name, kept.chunks, has_known_end=False)
    else:
        elements = functools.partial(iter, iterable)

    def chunks(notes: Notes) -> Iterator[StoredChunk]:
        for count, element in enumerate(elements(), 1):
            if count > length:
                raise InputError(
                    f"`{name}` must end; got more elements than the {length} that it "
                    "says it has."
                )
            yield read(element, notes=notes)

    return Passes(name, chunks, has_known_end=length < math.inf)


def _length(name: str, iterable: Iterable[Any]) -> float:
    """The number of elements; infinity if the iterable does not say it.

    Raises:
      InputError: there is no end of them.
    """
    if isinstance(iterable, tf.data.Dataset):
        length = int(iterable.cardinality())
        if length == tf.data.INFINITE_CARDINALITY:
            raise InputError(
                f"`{name}` must end; got a tf.data.Dataset that repeats for ever. "
                "Leave out its repeat(): training repeats the images by itself."
            )
        return length if length >= 0 else math.inf
    try:
        return len(iterable) if isinstance(iterable, Sized) else math.inf
    except TypeError:  # It has a length for some of its kind only.
        return math.inf


class _Kept:
    """The images of an iterator, which are in memory after the first pass."""

    def __init__(
        self, name: str, elements: Iterator[Any], read: Callable[..., StoredChunk]
    ):
        self._name, self._elements, self._read = name, elements, read
        self._kept: list[StoredChunk] = []
        self._is_read = False

    def chunks(self, notes: Notes) -> Iterator[StoredChunk]:
        """Makes a pass; InputError if the images are too many for memory."""
        if self._is_read:
            yield from self._kept
            return
        self._is_read, num_bytes, most = True, 0, _half_of_memory()
        for element in self._elements:
            image, label = self._read(element, notes=notes)
            num_bytes += _ELEMENT_BYTES + image.nbytes
            if num_bytes > most:
                raise InputError(
                    f"`{self._name}` must end, and as a generator fit into half of the "
                    f"memory; got more than {most / 1e9:.1f} GB. An iterable that can "
                    "be read from its start again need not fit."
                )
            # Copied, because a generator may fill one array again and again.
            self._kept.append(StoredChunk(image.copy(), label))
            yield self._kept[-1]


def _half_of_memory() -> int:
    """Half of the memory of this machine, bytes; 4 GiB where it is not known."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return 2**32

"""Passes over an iterable, which may give its images in another order each time."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from agave_tf.data.hold_out import content_keys
from agave_tf.data.source import Chunk, Notes, StoredChunk
from agave_tf.errors import InputError
from agave_tf.progress_bar import progress_bar

# An iterable that does not say how long it is may have no end. More images than the
# largest data sets have, and keys of them in 4 GB of memory:
_MOST_IMAGES = 20_000_000
# An iterable repeats itself if, after this many images, each came this often, on
# average.
_ENOUGH_IMAGES, _MOST_REPEATS = 10_000, 10
# The most elements without an image, such as unreadable pictures that are left out, for
# each different image; `_ENOUGH_IMAGES` are allowed in any case.
_MOST_LEFT_OUT = 100


class _Keyed(NamedTuple):
    chunk: StoredChunk
    keys: list[bytes]  # of its images [n], by their content
    entries: list[bytes]  # their keys with their labels


class Passes:
    """Reads an iterable again and again, and knows its images by their content.

    Args:
      name: of the iterable, for messages.
      chunks: makes a pass over it; some images at a time, as they are stored. What
        becomes of its elements is counted in the notes.
      has_known_end: whether it says how many elements it has.

    Attributes:
      keys: of all images, in the order of the first pass.
      entries: the keys with the labels, bytes.
      is_shuffled: whether a later pass has had another order.
    """

    def __init__(
        self,
        name: str,
        chunks: Callable[[Notes], Iterator[StoredChunk]],
        has_known_end: bool,
    ):
        self.name, self._chunks, self._has_known_end = name, chunks, has_known_end
        self.keys: list[bytes] = []
        self.entries: list[bytes] = []
        self.is_shuffled = False

    def first(self, notes: Notes) -> None:
        """Makes the first pass, which learns the keys.

        Args:
          notes: what becomes of the elements is counted there.

        Raises:
          InputError: there are no images, no end of them, or labels of some alone.
        """
        different: set[bytes] = set()
        has_labels: set[bool] = set()
        num_left_out = 0
        with progress_bar(f"Telling {self.name} images apart", leave=False) as bar:
            for chunk, keys, entries in map(_keyed, self._chunks(notes)):
                if keys:
                    has_labels.add(chunk.label is not None)
                else:  # A picture that is left out.
                    num_left_out += 1
                    self._check_left_out(num_left_out, len(different))
                self.keys += keys
                self.entries += entries
                different.update(keys)
                bar.update(len(keys))
                if not self._has_known_end:
                    self._check_end(len(different), len(keys))
        if not self.keys:
            raise InputError(f"`{self.name}` must have images; got none.")
        if len(has_labels) > 1:
            raise InputError(
                f"`{self.name}` must have a label for every image or for none; got "
                "images with and without one."
            )

    def again(self) -> Iterator[_Keyed]:
        """Makes a later pass.

        Raises:
          InputError: it gives other images than the first.
        """
        left, count = Counter(self.entries), 0
        for keyed in map(_keyed, self._chunks(Notes())):
            for entry in keyed.entries:
                if not left[entry]:
                    raise self._others()
                left[entry] -= 1
            end = count + len(keyed.entries)
            self.is_shuffled |= keyed.entries != self.entries[count:end]
            count = end
            yield keyed
        if count < len(self.entries):
            raise self._others()

    def _others(self) -> InputError:
        return InputError(
            f"`{self.name}` must give the same images and labels at every pass, in any "
            "order; a later pass gave others. Leave out what changes them at random, "
            "such as augmentation, or a shuffle before take, skip or incomplete "
            "batches that are dropped."
        )

    def _check_left_out(self, num_left_out: int, num_different: int) -> None:
        most = max(_ENOUGH_IMAGES, _MOST_LEFT_OUT * num_different)
        if not self._has_known_end and num_left_out > most:
            raise InputError(
                f"`{self.name}` must end, or say its length; got {num_left_out} "
                "elements without an image, such as unreadable pictures, and "
                f"{num_different} different images."
            )

    def _check_end(self, num_different: int, num_new: int) -> None:
        count = len(self.keys)
        # Now and then: it takes no time, but a legitimate set may begin with copies.
        if count // _ENOUGH_IMAGES == (count - num_new) // _ENOUGH_IMAGES:
            return
        if count > _MOST_REPEATS * num_different:
            raise InputError(
                f"`{self.name}` must end; got {count} images, of which {num_different} "
                "are different. Training repeats the images by itself."
            )
        if count > _MOST_IMAGES:
            raise InputError(
                f"`{self.name}` must end, or say its length; got more than "
                f"{_MOST_IMAGES} images. folder:PATH and npz:PATH read larger sets."
            )


class PartOfPasses:
    """The images of an iterable that belong to one part of the data set.

    They have the order of the first pass, if a later one has the same, and otherwise an
    order that follows from their content: so it is the same at every start.

    Args:
      passes: over the iterable, of which the first has been made.
      wanted: keys of the images.
      prepared: prepares chunks, in their order.
    """

    def __init__(
        self,
        passes: Passes,
        wanted: set[bytes],
        prepared: Callable[[Iterator[StoredChunk]], Iterator[Chunk]],
    ):
        self._passes, self._wanted, self._prepared = passes, wanted, prepared
        self._came: list[bytes] = []

    def chunks(self) -> Iterator[Chunk]:
        """Makes a pass."""
        self._came = []
        return self._prepared(self._selected())

    def order(self) -> np.ndarray:
        """Places of the images among those of the last pass; empty: as they came."""
        if not self._passes.is_shuffled:
            return np.arange(0)
        came = self._came
        return np.array(sorted(range(len(came)), key=came.__getitem__))

    def _selected(self) -> Iterator[StoredChunk]:
        for chunk, keys, entries in self._passes.again():
            rows = [row for row, key in enumerate(keys) if key in self._wanted]
            if rows:
                self._came += [entries[row] for row in rows]
                yield chunk.take(rows)


def _keyed(chunk: StoredChunk) -> _Keyed:
    keys = list(content_keys([chunk.image]))
    if chunk.label is None:
        return _Keyed(chunk, keys, keys)
    labels = [label.tobytes() for label in chunk.label.astype("<i8")]
    entries = [key + label for key, label in zip(keys, labels)]
    return _Keyed(chunk, keys, entries)

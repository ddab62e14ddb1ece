"""A source of images: the form in which every kind of data set is opened."""

import dataclasses
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from agave_tf.data.labels import joined_labels, label_rows
from agave_tf.data.mixed_images import ImageArray, join_images

IMAGE_PARTS = ("train", "test")
ALL = "all"  # both parts: the training images, then the held-out ones
# The usual names of the part that is held out, in order of preference.
HELD_OUT_NAMES = ("test", "val", "valid", "validation")


def parts_named(name: str) -> tuple[str, ...]:
    """The parts that "train", "test" or "all" stands for."""
    return IMAGE_PARTS if name == ALL else (name,)


class StoredChunk(NamedTuple):
    """Some images of one shape as they are stored, in the order of their part."""

    image: np.ndarray  # uint8 or uint16 [n,H,W,C] or [n,H,W]
    label: np.ndarray | None  # int32 [n], None where the source has no labels

    def take(self, rows: Any) -> "StoredChunk":
        """Returns the images at `rows`, an index of NumPy, with their labels."""
        return StoredChunk(self.image[rows], label_rows(self.label, rows))


class Chunk(NamedTuple):
    """Some prepared images of any sizes, in the order of their part."""

    image: ImageArray  # uint8, n of them
    label: np.ndarray | None  # int32 [n], None where the source has no labels


def join_chunks(chunks: Sequence[Chunk]) -> Chunk:
    """Returns chunks as one, of equal channels; without labels unless all have them."""
    return Chunk(
        join_images([chunk.image for chunk in chunks]),
        joined_labels([chunk.label for chunk in chunks]),
    )


def _as_they_come() -> np.ndarray:
    return np.arange(0)


class ImagePart(NamedTuple):
    """The training images or the held-out images of a source."""

    num_images: int  # fewer may come, if unreadable files are skipped
    chunks: Callable[[], Iterator[Chunk]]  # reads them, from the first on
    # Places [N] of the images among those that the last pass gave, in the order they
    # are to have. Empty: as they came. Called after the pass.
    order: Callable[[], np.ndarray] = _as_they_come


class Notes:
    """Counts what was left out or converted on the way; threads may share it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._largest: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, text: str, count: int = 1) -> None:
        """Counts `count` more of what `text` says, such as "hidden files left out"."""
        with self._lock:
            self._counts[text] += count

    def see(self, text: str, value: float) -> None:
        """Keeps the largest value that is seen under `text`."""
        with self._lock:
            self._largest[text] = max(value, self._largest.get(text, value))

    def sentences(self) -> list[str]:
        """The notes in words: "hidden files left out: 3"."""
        noted = {**self._counts, **self._largest}
        return [f"{text}: {value}" for text, value in noted.items() if value]


def _unknown() -> None:
    """The range of labels that nobody knows yet."""


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """A data set that has been found, and whose images have not been read yet.

    name: as messages call it, such as "folder:/data/birds".
    fingerprint: equal for the same images and labels, wherever they lie.
    parts: "train" and "test", the held-out images.
    held_out: says which images are held out, such as "its split test".
    classes: the names of the labels 0, 1, ..., where they have names.
    notes: what is left out or converted; grows while the parts are read.
    version_0_2: gives the fingerprint that the images have in version 0.2, after they
      have been read; None: it is the same.
    stored: a digest of the files as they are stored, where the fingerprint does not
      follow from all of their content; a cache of other files is not used.
    label_range: returns the least and the largest label of all parts together; None
      where there are no labels, or nobody knows before they are read.
    """

    name: str
    fingerprint: str
    parts: Mapping[str, ImagePart]
    held_out: str
    classes: tuple[str, ...] = ()
    notes: Notes = dataclasses.field(default_factory=Notes)
    version_0_2: Callable[[], str] | None = None
    stored: str = ""
    label_range: Callable[[], tuple[int, int] | None] = _unknown

    def fingerprints(self) -> tuple[str, str]:
        """The fingerprint, and that of version 0.2."""
        older = self.version_0_2() if self.version_0_2 else self.fingerprint
        return self.fingerprint, older


def class_range(classes: Sequence[str]) -> tuple[int, int] | None:
    """Returns the least and the largest label of named classes; None without any."""
    return (0, len(classes) - 1) if classes else None


def fingerprint_of(*facts: Any) -> str:
    """A digest of what tells one data set from another, 16 hexadecimal digits.

    Args:
      *facts: text, numbers, lists and dicts of them, as JSON knows them.
    """
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def selected(
    chunks: Iterator[StoredChunk], is_selected: np.ndarray
) -> Iterator[StoredChunk]:
    """The images whose place in the sequence is selected.

    Args:
      chunks: all images, N.
      is_selected: bool [N].
    """
    start = 0
    for chunk in chunks:
        rows = is_selected[start : start + len(chunk.image)]
        start += len(chunk.image)
        if rows.any():
            yield chunk.take(rows)


class Origin(NamedTuple):
    """The flag or argument that images came with.

    Its name stands in backticks in errors. Their advice names a setting only if that
    can be given beside it.
    """

    name: str
    prefix: str = ""  # of a setting that goes with it
    has_settings: bool = True  # whether a setting can be given beside it

    def advice(self, setting: str, value: Any, effect: str) -> str:
        """Returns " --setting=value effect."; empty if the setting cannot be given."""
        if not self.has_settings:
            return ""
        shown = value if self.prefix else repr(value)
        return f" {self.prefix}{setting}={shown} {effect}."

    def by_setting(self, setting: str) -> str:
        """Returns " (--setting)"; empty if the setting cannot be given."""
        return f" ({self.prefix}{setting})" if self.has_settings else ""


DATASET = Origin("dataset", "--")
# The --files of bin/compress.py and bin/score.py.
FILES = Origin("files", has_settings=False)
# Images of a Python program, whose settings are arguments.
PROGRAM = Origin("train")

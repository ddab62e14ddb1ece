"""Arrays of images whose channels come first, or whose rows are flat, as [N,H,W,C].

The files of downsampled ImageNet (Chrabaszcz et al. 2017) have rows of 3072 numbers,
the planes of red, green and blue one after the other, and labels that count from 1.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from agave_tf.data.array_file import Storage
from agave_tf.errors import InputError

# Shorter rows, such as one-hot labels, are no images.
_SHORTEST_SIDE = 4
# Photographs differ half as much from pixel to pixel in the right order (ratios of 0.11
# to 0.58, 8 photographs in colour and gray), noise as much in both.
_SMOOTHER = 0.8


class Array(Protocol):
    """An array of a file, which is read some rows at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""

    @property
    def dtype(self) -> np.dtype:
        """The type of its elements."""

    @property
    def storage(self) -> Storage:
        """The files that it is read from."""

    def check_plain(self) -> None:
        """Raises InputError if the array holds Python objects, which are pickled."""

    def rows(self) -> Iterator[np.ndarray]:
        """Reads the array in order, some rows at a time."""

    def digest(self) -> str:
        """A checksum of the elements."""


class _Layout(NamedTuple):
    """The order in which the numbers of an image are stored."""

    planes: tuple[int, int, int]  # (C,H,W)
    is_flat: bool


@dataclasses.dataclass(frozen=True)
class RelaidImages:
    """An array of images that are stored otherwise, seen as [N,H,W,C]."""

    stored: Array
    layout: _Layout
    path: str

    @property
    def shape(self) -> tuple[int, ...]:
        """[N,H,W,C]."""
        channels, height, width = self.layout.planes
        return (self.stored.shape[0], height, width, channels)

    @property
    def dtype(self) -> np.dtype:
        """The type of the stored array."""
        return self.stored.dtype

    @property
    def said(self) -> str:
        """Says how the images are stored."""
        row = list(self.stored.shape[1:])
        channels, height, width = self.layout.planes
        order = ", the channels first" if channels > 1 else ""
        return f"images of {row} read as {channels}x{height}x{width}{order}"

    @property
    def storage(self) -> Storage:
        """The files of the stored array, and how it is seen."""
        storage = self.stored.storage
        return storage._replace(facts=f"{storage.facts}, {self.layout}")

    def check_plain(self) -> None:
        """Raises InputError if the stored array holds Python objects."""
        self.stored.check_plain()

    def rows(self) -> Iterator[np.ndarray]:
        """Some images at a time, [n,H,W,C].

        Raises:
          InputError: the file is damaged, or flat rows have the channels last.
        """
        is_first = True
        for rows in self.stored.rows():
            if is_first and self.layout.is_flat:
                self._check_planes(rows)
            is_first = False
            planes = rows.reshape(len(rows), *self.layout.planes)
            yield np.ascontiguousarray(np.moveaxis(planes, 1, -1))

    def digest(self) -> str:
        """The digest of the stored array."""
        return self.stored.digest()

    def _check_planes(self, rows: np.ndarray) -> None:
        """Refuses flat rows that make far smoother images with the channels last."""
        channels, height, width = self.layout.planes
        if channels == 1:
            return
        as_planes = rows.reshape(-1, channels, height, width)
        as_pixels = rows.reshape(-1, height, width, channels)
        if _roughness(as_pixels, 2, 1) < _SMOOTHER * _roughness(as_planes, 3, 2):
            raise InputError(
                f"`dataset` must have flat images as {channels} planes of {height}x"
                f"{width}; {self.path!r} has some that look like [{height},{width},"
                f"{channels}]. As an array [N,{height},{width},{channels}] it is read."
            )


@dataclasses.dataclass(frozen=True)
class LabelsFromOne:
    """An array of labels that count from 1, seen as labels that count from 0."""

    stored: Array

    said = "labels that count from 1, lowered by 1"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the stored array."""
        return self.stored.shape

    @property
    def dtype(self) -> np.dtype:
        """The type of the stored array."""
        return self.stored.dtype

    @property
    def storage(self) -> Storage:
        """The files of the stored array, and how it is seen."""
        storage = self.stored.storage
        return storage._replace(facts=f"{storage.facts}, {self.said}")

    def check_plain(self) -> None:
        """Raises InputError if the stored array holds Python objects."""
        self.stored.check_plain()

    def rows(self) -> Iterator[np.ndarray]:
        """Some labels at a time."""
        for rows in self.stored.rows():
            yield rows - 1

    def digest(self) -> str:
        """The digest of the stored array."""
        return self.stored.digest()


def as_images(arrays: Mapping[str, Array], path: str) -> dict[str, Array]:
    """Returns the arrays, with those that hold images as [N,H,W,C] or [N,H,W].

    Flat rows are images only where no other array of the file could be.

    Args:
      arrays: of a file.
      path: of the file, for errors.
    """
    found: dict[str, Array] = dict(arrays)
    layouts = {name: _channels_first(array) for name, array in arrays.items()}
    if not any(len(array.shape) in (3, 4) for array in arrays.values()):
        layouts = {name: _flat(array) for name, array in arrays.items()}
    for name, layout in layouts.items():
        if layout:
            found[name] = RelaidImages(arrays[name], layout, path)
    return found


def from_zero(
    arrays: Mapping[str, Array], used: Iterable[tuple[str, str]]
) -> dict[str, Array]:
    """Returns the arrays, with labels of flat images that count from 1 lowered by 1.

    They count from 1 if the least label of all parts is at least 1. Labels of other
    images stay as they are, as in files that earlier versions read.

    Args:
      arrays: of a file.
      used: the names of the images and the labels of each part; empty without labels.
    """
    lowered: dict[str, Array] = {
        label: LabelsFromOne(arrays[label])
        for image, label in used
        if label and _is_flat(arrays[image])
    }
    least = [rows.min() for name in lowered for rows in arrays[name].rows()]
    return {**arrays, **lowered} if least and min(least) >= 1 else dict(arrays)


def _is_flat(array: Array) -> bool:
    return isinstance(array, RelaidImages) and array.layout.is_flat


def _roughness(images: np.ndarray, *axes: int) -> float:
    """The mean difference of neighbours, summed over axes."""
    values = images.astype(np.float32)
    return sum(float(np.abs(np.diff(values, axis=axis)).mean()) for axis in axes)


def _channels_first(array: Array) -> _Layout | None:
    """The layout of an array [N,C,H,W]; None of another."""
    if len(array.shape) != 4 or array.shape[1] not in (1, 3):
        return None
    _, channels, height, width = array.shape
    return None if width in (1, 3) else _Layout((channels, height, width), False)


def _flat(array: Array) -> _Layout | None:
    """The layout of an array of rows that make square images, gray or RGB."""
    is_levels = array.dtype.newbyteorder("=") in (np.uint8, np.uint16)
    if len(array.shape) != 2 or not array.shape[0] or not is_levels:
        return None
    for channels in (1, 3):
        side = math.isqrt(array.shape[1] // channels)
        if side >= _SHORTEST_SIDE and channels * side * side == array.shape[1]:
            return _Layout((channels, side, side), True)
    return None

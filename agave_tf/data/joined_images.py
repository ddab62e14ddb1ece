"""Images of several parts as one set, which stay where they are until they are read."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from agave_tf.data.mixed_images import (
    ImageArray,
    LikeMixedImages,
    MixedImages,
    sizes_of,
)


class JoinedImages:
    """The images of several parts, one part after the other; like each of them.

    An index gives arrays if all images have one size, and else `MixedImages`; one
    number gives an array [H,W,C].

    Args:
      parts: images of as many channels, some of them perhaps mapped from files.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, parts: Sequence[np.ndarray | LikeMixedImages]):
        self._parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])
        self.sizes = np.concatenate([sizes_of(part) for part in parts])
        is_one_size = (self.sizes == self.sizes[0]).all()
        height, width = self.sizes[0].tolist() if is_one_size else (None, None)
        # (N,H,W,C); (N,None,None,C) if the images have several sizes.
        self.shape = (len(self.sizes), height, width, parts[0].shape[3])

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def nbytes(self) -> int:
        """The bytes of all images."""
        return sum(part.nbytes for part in self._parts)

    @overload
    def __getitem__(self, index: int | np.integer) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: Any) -> ImageArray: ...

    def __getitem__(self, index: Any) -> ImageArray:
        """One image, or those that a slice, places or a mask select."""
        rows = np.arange(len(self))[index]
        if isinstance(index, int | np.integer):
            return self._image(rows)
        if self.shape[1] is None:
            images = [self._image(row) for row in rows]
            return MixedImages.of(images) if images else self._no_image()
        taken = np.empty((len(rows), *map(int, self.sizes[0]), self.shape[3]), np.uint8)
        for start, part in zip(self._starts, self._parts):
            is_here = (start <= rows) & (rows < start + len(part))
            taken[is_here] = part[rows[is_here] - start]
        return taken

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All images, in memory; of one size alone."""
        whole = self[:]
        if isinstance(whole, MixedImages):
            raise ValueError("images of several sizes are no array")
        return whole if dtype is None else whole.astype(dtype)

    def _image(self, row: int) -> np.ndarray:
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._parts[part][int(row - self._starts[part])]

    def _no_image(self) -> MixedImages:
        pixels, sizes = np.zeros(0, np.uint8), np.zeros([0, 2], np.int32)
        return MixedImages(pixels, sizes, self.shape[3])

"""Images of any sizes, one after another in one flat array of pixels."""

from collections.abc import Sequence
from typing import Any, Protocol, overload

import numpy as np


class MixedImages:
    """N images uint8 [H,W,C] of any sizes, and of one number of channels.

    An index selects as in an array of images: images[3] is an array [H,W,C], a view of
    the pixels; images[2:5], images[[4, 1]] and images[mask] are MixedImages.

    Args:
      pixels: uint8 [total], the images one after another; may be mapped from a file.
      sizes: int32 [N,2], their heights and widths.
      channels: C, of all of them.

    Raises:
      ValueError: the sizes are not those of the pixels.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, pixels: np.ndarray, sizes: np.ndarray, channels: int):
        check_sizes(pixels, sizes, channels)
        self.pixels, self.channels = pixels, channels
        self.sizes: np.ndarray = sizes
        # In 64 bits: 32 end at 2 GiB.
        self._ends = _areas(sizes).cumsum() * channels

    @classmethod
    def of(cls, images: Sequence[np.ndarray]) -> "MixedImages":
        """Copies arrays uint8 [H,W,C], of which there is at least one.

        Raises:
          ValueError: they differ in their channels.
        """
        channels = {image.shape[2] for image in images}
        if len(channels) != 1:
            raise ValueError(f"images of {channels} channels")
        pixels = np.concatenate([image.reshape(-1) for image in images])
        sizes = np.array([image.shape[:2] for image in images], np.int32)
        return cls(pixels, sizes, channels.pop())

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def shape(self) -> tuple[int, None, None, int]:
        """(N, None, None, C)."""
        return len(self), None, None, self.channels

    @property
    def nbytes(self) -> int:
        """The bytes of all pixels."""
        return self.pixels.nbytes

    @overload
    def __getitem__(self, index: int | np.integer) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: Any) -> "MixedImages": ...

    def __getitem__(self, index: Any) -> "np.ndarray | MixedImages":
        """One image [H,W,C], or those that a slice, places or a mask select."""
        if isinstance(index, int | np.integer):
            number = range(len(self))[index]  # Raises IndexError beyond the last.
            height, width = self.sizes[number]
            return self._between(number, number).reshape(height, width, self.channels)
        rows = np.arange(len(self))[index]
        if rows.size and (np.diff(rows) == 1).all():
            pixels = self._between(rows[0], rows[-1])
        else:
            pieces = [self._between(row, row) for row in rows]
            pixels = np.concatenate(pieces) if pieces else self.pixels[:0]
        return MixedImages(pixels, self.sizes[rows], self.channels)

    def simplest(self) -> "np.ndarray | MixedImages":
        """A view [N,H,W,C] if all images have one size; else the images as they are."""
        if not len(self) or (self.sizes != self.sizes[0]).any():
            return self
        return self.pixels.reshape(len(self), *self.sizes[0], self.channels)

    def _between(self, first: int, last: int) -> np.ndarray:
        """The pixels of the images from number `first` to number `last`."""
        start = self._ends[first - 1] if first else 0
        return self.pixels[start : self._ends[last]]


# N images: uint8 [N,H,W,C] if they have one size.
ImageArray = np.ndarray | MixedImages


def check_sizes(pixels: np.ndarray, sizes: np.ndarray, channels: int) -> None:
    """Checks that images of these sizes have just these pixels; takes little memory.

    Raises:
      ValueError: they have not.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 1:
        raise ValueError(f"pixels of {pixels.dtype} {list(pixels.shape)}")
    if sizes.dtype != np.int32 or sizes.ndim != 2 or sizes.shape[1] != 2:
        raise ValueError(f"sizes of {sizes.dtype} {list(sizes.shape)}")
    areas, most = _areas(sizes), pixels.size // channels
    if len(sizes) and (sizes.min() < 1 or areas.max() > most):
        raise ValueError("a size is of no image among these pixels")
    # No sum runs over 64 bits unnoticed: the first that is too large still fits.
    ends = areas.cumsum()
    if (ends > most).any() or pixels.size != areas.sum() * channels:
        raise ValueError(
            f"the sizes of {len(sizes)} images with {channels} channels do not add up "
            f"to {pixels.size} values"
        )


def join_images(parts: Sequence[ImageArray]) -> ImageArray:
    """Returns images one after the other; as an array if all have one size.

    Args:
      parts: images uint8, of one number of channels; at least one part.
    """
    pixels = [
        part.pixels if isinstance(part, MixedImages) else part.reshape(-1)
        for part in parts
    ]
    sizes = np.concatenate([sizes_of(part) for part in parts])
    joined = MixedImages(np.concatenate(pixels), sizes, parts[0].shape[3])
    return joined.simplest()


class LikeImages(Protocol):
    """N images, of which a number gives one as an array [H,W,C]."""

    @property
    def shape(self) -> Any:
        """(N,H,W,C), where H and W are None if the images have several sizes."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


class LikeMixedImages(LikeImages, Protocol):
    """N images that know their sizes."""

    @property
    def sizes(self) -> np.ndarray:
        """The height and width of each image, int32 [N,2]."""

    @property
    def nbytes(self) -> int:
        """The bytes of all pixels."""


def sizes_of(image: np.ndarray | LikeMixedImages) -> np.ndarray:
    """The height and width of each image, int32 [N,2]."""
    if not isinstance(image, np.ndarray):
        return image.sizes
    size = np.array(image.shape[1:3], np.int32)
    return np.broadcast_to(size, (len(image), 2))


class ImageBuffer:
    """Gathers images that come some at a time in one flat array.

    Args:
      num_bytes: as many as are expected. More take the time to copy those before.
    """

    def __init__(self, num_bytes: int):
        self._pixels = np.empty(max(1, num_bytes), np.uint8)
        self._sizes: list[np.ndarray] = []
        self._channels, self.num_bytes = 0, 0

    def add(self, image: ImageArray) -> None:
        """Adds images, of the same number of channels as those before."""
        end = self.num_bytes + image.nbytes
        if end > len(self._pixels):
            grown = np.empty(max(end, 3 * len(self._pixels) // 2), np.uint8)
            grown[: self.num_bytes] = self._pixels[: self.num_bytes]
            self._pixels = grown
        pixels = image.pixels if isinstance(image, MixedImages) else image.reshape(-1)
        self._pixels[self.num_bytes : end] = pixels
        self._sizes.append(sizes_of(image))
        self._channels, self.num_bytes = image.shape[3], end

    def images(self) -> ImageArray:
        """All images that were added, of which there is at least one."""
        pixels = self._pixels[: self.num_bytes]
        sizes = np.concatenate(self._sizes)
        return MixedImages(pixels, sizes, self._channels).simplest()


def _areas(sizes: np.ndarray) -> np.ndarray:
    """The number of pixels of each image, int64 [N]."""
    return sizes.astype(np.int64).prod(axis=1)

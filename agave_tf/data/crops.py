"""Windows that are cut out of images at their own resolution."""

from typing import Any

import numpy as np

from agave_tf.data.mixed_images import LikeImages, LikeMixedImages, sizes_of


class CentreCrops:
    """The centres of N images, cut out when they are read: like an array [N,h,w,C].

    An index gives arrays: crops[3] is [h,w,C], crops[2:5] is [3,h,w,C].

    Args:
      whole: the images, none smaller than a crop.
      size: (h,w).
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, whole: np.ndarray | LikeMixedImages, size: tuple[int, int]):
        self.whole, self.size = whole, size

    def __len__(self) -> int:
        return len(self.whole)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N,h,w,C)."""
        return len(self), *self.size, self.whole.shape[3]

    @property
    def sizes(self) -> np.ndarray:
        """The height and width of each crop, int32 [N,2]."""
        return np.broadcast_to(np.array(self.size, np.int32), (len(self), 2))

    @property
    def nbytes(self) -> int:
        """The bytes of all crops."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __getitem__(self, index: Any) -> np.ndarray:
        """One crop [h,w,C], or those that a slice, places or a mask select."""
        is_one = isinstance(index, int | np.integer)
        rows = np.atleast_1d(np.arange(len(self))[index])
        corners = centre_corners(sizes_of(self.whole)[rows], self.size)
        crops = windows(self.whole, rows, corners, self.size)
        return crops[0] if is_one else crops

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All crops, in memory."""
        return self[:] if dtype is None else self[:].astype(dtype)


def windows(
    image: LikeImages, index: np.ndarray, corners: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Cuts a window out of each of n images, uint8 [n,h,w,C].

    Args:
      image: N images.
      index: int [n], which of them.
      corners: int [n,2], the top row and the left column of each window.
      size: (h,w) of the windows.
    """
    height, width = size
    cut = np.empty([len(index), height, width, image.shape[3]], np.uint8)
    for place, (number, (top, left)) in enumerate(zip(index, corners, strict=True)):
        cut[place] = image[int(number)][top : top + height, left : left + width]
    return cut


def centre_corners(sizes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The corners of the windows in the centres of images, int [n,2].

    Args:
      sizes: int [n,2] of the images, no side shorter than the window's.
      size: (h,w) of the windows.
    """
    return (sizes - size) // 2


def random_corners(
    sizes: np.ndarray, size: tuple[int, int], uniform: np.ndarray
) -> np.ndarray:
    """The corners of windows at random places, all equally likely, int [n,2].

    Args:
      sizes: as for `centre_corners`.
      size: as for `centre_corners`.
      uniform: draws [n,2] from [0,1), in float64: a product with a whole number is
        never rounded up to it.
    """
    return np.floor(uniform * (sizes - size + 1)).astype(np.int64)

"""A row of images with a caption, the unit that pictures are made of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.pictures.grid import Grid, image_grid
from agave_tf.pictures.png import write_strips


class PictureRow(NamedTuple):
    """A row of a grid."""

    caption: str
    images: np.ndarray  # uint8 [B,H,W,C] or [B,h,w,c]


def rows_grid(
    rows: Sequence[PictureRow], scale: int = 2, has_captions: bool = True
) -> np.ndarray:
    """One picture [H,W,3] of all rows, as `image_grid` makes it."""
    captions = [row.caption for row in rows] if has_captions else ()
    return image_grid([row.images for row in rows], scale=scale, captions=captions)


def write_rows(
    path: str, rows: Sequence[PictureRow], scale: int = 2, has_captions: bool = True
) -> None:
    """Writes the picture of `rows_grid` as a PNG, strip by strip, whole or not at all.

    The picture, which is many times larger than the rows, is never in memory.
    """
    captions = [row.caption for row in rows] if has_captions else ()
    grid = Grid([row.images for row in rows], scale=scale, captions=captions)
    write_strips(path, grid.shape, grid.strips())

"""A row of images with a caption, the unit that pictures are made of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.pixel_scale import to_levels
from agave_tf.pictures.grid import image_grid


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


def row_of_f_z(f_z: tf.Tensor | None) -> list[PictureRow]:
    """The row of f(z) [B,h,w,c]; none for a model without a VAE."""
    return [] if f_z is None else [PictureRow("f(z)", to_levels(f_z).numpy())]

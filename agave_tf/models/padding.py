"""Images of any height and width: the padding that networks which halve sizes need.

An image is padded right and below to multiples, with its last real pixels, once more
for each row and column. Padding is never scored: outputs are cut to the real size, and
latents whose cells hold no real pixel have no draw of their own (`real_cells`).
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from agave_tf.layers.convolution import sides_of

# Height and width: numbers where they are known, else int32 scalars. Where a model is
# of any size, None.
Size = Sequence[Any]


def cells_of(size: Size, cell: int) -> list[Any]:
    """Rows and columns of cells, cell x cell pixels each, that hold a real pixel."""
    return [None if side is None else -(-side // cell) for side in size]


def padded_size(size: Size, multiple: int) -> list[Any]:
    """The size with both sides rounded up to multiples."""
    cells = cells_of(size, multiple)
    return [None if side is None else side * multiple for side in cells]


def pad(image: tf.Tensor, multiple: int) -> tf.Tensor:
    """Pads [B,H,W,C] right and below to multiples, by repeating the last pixels."""
    return pad_to(image, padded_size(sides_of(image), multiple))


def pad_to(image: tf.Tensor, size: Size) -> tf.Tensor:
    """Pads [B,H,W,C] right and below to a size, by repeating the last pixels."""
    for axis, (side, padded) in enumerate(zip(sides_of(image), size, strict=True), 1):
        if not _is_known_to_equal(side, padded):
            place = tf.minimum(tf.range(padded), side - 1)
            image = tf.gather(image, place, axis=axis)
    return image


def cut(x: tf.Tensor, size: Size) -> tf.Tensor:
    """The first rows and columns of [B,H,W,...], without the padding."""
    if all(map(_is_known_to_equal, sides_of(x), size)):
        return x
    return x[:, : size[0], : size[1]]


def real_cells(size: Size, multiple: int, cell: int) -> tf.Tensor | None:
    """Which cells of the padded image hold a real pixel, bool [1,h,w,1].

    Args:
      size: (H,W) of the image.
      multiple: that both sides are padded to.
      cell: pixels along a cell, a divisor of `multiple`.

    Returns:
      None where it is known that all of them do.
    """
    real = cells_of(size, cell)
    padded = [side // cell for side in padded_size(size, multiple)]
    if all(map(_is_known_to_equal, real, padded)):
        return None
    rows, columns = (tf.range(n) < m for n, m in zip(padded, real, strict=True))
    return rows[None, :, None, None] & columns[None, None, :, None]


def _is_known_to_equal(a: Any, b: Any) -> bool:
    return isinstance(a, int) and isinstance(b, int) and a == b

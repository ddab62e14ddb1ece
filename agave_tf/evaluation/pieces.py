"""The pieces that images are scored in: whole, or tiles; in batches of one size."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.batches import padded_batches
from agave_tf.data.image_set import Images

# Tiles of an image have numbers of their own for their noise, this far apart. Images
# so far apart in a large set share noise, which does no harm.
_TILE_STEP = 1_000_003
_MOST_NUMBER = 2**31 - 1


class Pieces(NamedTuple):
    """M pieces of images, sorted by size."""

    image: np.ndarray  # int [M], place of the image in the data set
    corner: np.ndarray  # int [M,2], row and column of the first pixel
    size: np.ndarray  # int [M,2], height and width
    noise_index: np.ndarray  # int32 [M], the noise of z follows from it

    def take(self, rows: np.ndarray) -> "Pieces":
        """The pieces with these numbers, int [b]."""
        return Pieces(*[values[rows] for values in self])

    def groups(self) -> list["Pieces"]:
        """The pieces of each size."""
        changes = (self.size[1:] != self.size[:-1]).any(axis=1)
        starts = np.flatnonzero(changes) + 1
        return [self.take(rows) for rows in np.split(np.arange(len(self.size)), starts)]


class PieceBatch(NamedTuple):
    """A batch of pieces of one size; one that is filled up repeats its last piece."""

    pixels: tf.Tensor  # uint8 [B,H,W,C]
    label: tf.Tensor  # int32 [B], -1 where the data set has none
    index: tf.Tensor  # int32 [B], the noise of z follows from it
    image: np.ndarray  # int [V], place in the data set of those that count


def pieces_of(
    images: Images, places: np.ndarray, tile_size: tuple[int, int] | None
) -> Pieces:
    """Cuts images into tiles, or leaves them whole.

    Args:
      images: the data set.
      places: int [N], of the images to score.
      tile_size: (height, width); those at the right and lower edges have what is left.
        None: no tiles.
    """
    size = images.sizes[places].astype(np.int64)
    if tile_size is None or (size <= tile_size).all():
        noise_index = places.astype(np.int32)
        return _sorted(Pieces(places, np.zeros_like(size), size, noise_index))
    tiles = []
    for place, (height, width) in zip(places, size, strict=True):
        tops, lefts = (
            np.arange(0, side, step) for side, step in zip((height, width), tile_size)
        )
        corners = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
        number = place + _TILE_STEP * np.arange(len(corners), dtype=np.int64)
        tiles.append(
            Pieces(
                np.full(len(corners), place),
                corners,
                np.minimum(tile_size, np.array([height, width]) - corners),
                (number % _MOST_NUMBER).astype(np.int32),
            )
        )
    return _sorted(Pieces(*map(np.concatenate, zip(*tiles))))


def _sorted(pieces: Pieces) -> Pieces:
    """Sorted by size; those of one size keep their order."""
    order = np.lexsort(pieces.size.T)
    return pieces.take(order)


def piece_batches(
    images: Images, pieces: Pieces, batch_size: int, multiple: int, fills: bool
) -> Iterator[PieceBatch]:
    """Reads pieces of one size, in batches.

    Args:
      images: the data set.
      pieces: of one size.
      batch_size: B, a multiple of `multiple`.
      multiple: what divides the pieces of every batch.
      fills: whether every batch has B pieces; False: as many as `multiple` asks for.
    """
    labels = images.labels_or(-1)
    for rows, num_valid, _ in padded_batches(len(pieces.image), batch_size, False):
        if not fills:
            rows = rows[: -(-num_valid // multiple) * multiple]
        chosen = pieces.take(rows)
        yield PieceBatch(
            tf.constant(_pixels(images, chosen)),
            tf.constant(labels[chosen.image]),
            tf.constant(chosen.noise_index),
            chosen.image[:num_valid],
        )


def _pixels(images: Images, pieces: Pieces) -> np.ndarray:
    """uint8 [B,H,W,C] of pieces of one size."""
    height, width = pieces.size[0]
    if images.shape[:2] == (height, width):
        return np.asarray(images.image[pieces.image])
    return np.stack(
        [
            images.image[place][top : top + height, left : left + width]
            for place, (top, left) in zip(pieces.image, pieces.corner, strict=True)
        ]
    )

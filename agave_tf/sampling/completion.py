"""The pixels that a completion keeps: their mask, and images without the others."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.batches import padded_batches
from agave_tf.errors import InputError


class Kept(NamedTuple):
    """The pixels of B images that are kept, not drawn."""

    images: np.ndarray  # uint8 [B,H,W,C]
    is_kept: np.ndarray  # bool [H,W]

    def some(self, rows: np.ndarray) -> "Kept":
        """Those of the images with these numbers, int [b]."""
        return Kept(self.images[rows], self.is_kept)


def keep(images: np.ndarray, is_kept: np.ndarray, batch_size: int) -> Kept:
    """Keeps pixels of images; the others have the mean colour of those kept.

    Args:
      images: uint8 [B,H,W,C].
      is_kept: bool [H,W], True for the pixels to keep.
      batch_size: images that are in memory as floats at a time.

    Raises:
      InputError: the mask has another size than the images.
    """
    size = images.shape[1:3]
    if is_kept.shape != size:
        raise InputError(
            f"`mask` must be of the images' size {size}; got {is_kept.shape}."
        )
    partial = np.empty(images.shape, np.uint8)
    for rows, _, _ in padded_batches(len(partial), batch_size):
        partial[rows] = with_mean_colour(images[rows], is_kept)
    return Kept(partial, is_kept)


def completion_mask(size: tuple[int, int], path: str, keep_top: float) -> np.ndarray:
    """bool [H,W], True for the pixels to keep.

    Args:
      size: (H,W).
      path: a PNG of that size, white where pixels are kept; empty: the top is kept.
      keep_top: share of the rows, from the top.

    Raises:
      InputError: no such file, not a PNG, or of another size.
    """
    if not path:
        is_given = np.zeros(size, bool)
        is_given[: round(keep_top * size[0])] = True
        return is_given
    try:
        with open(path, "rb") as file:
            mask = tf.io.decode_png(file.read(), channels=1).numpy()[..., 0]
    except FileNotFoundError as error:
        raise InputError(f"`mask` must exist; there is no file {path!r}.") from error
    except tf.errors.InvalidArgumentError as error:
        raise InputError(f"`mask` must be a PNG; {path!r} is not.") from error
    if mask.shape != tuple(size):
        raise InputError(
            f"`mask` must have the images' height and width {tuple(size)}; {path!r} "
            f"has {mask.shape}."
        )
    return mask > 127


def with_mean_colour(image: np.ndarray, is_given: np.ndarray) -> np.ndarray:
    """Gives missing pixels of uint8 [B,H,W,C] the mean colour of the given ones."""
    weight = is_given[None, :, :, None] / max(1, is_given.sum())
    mean = (image * weight).sum(axis=(1, 2), keepdims=True)
    colour = mean.round().astype(np.uint8) if is_given.any() else np.uint8(128)
    return np.where(is_given[None, :, :, None], image, colour)

"""Draws rows of images batch by batch: f(z), and images finished from it.

However many columns there are, no more than a batch of them is in a network at a time.
Of the others only the finished pictures are kept, as uint8.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tqdm

from agave_tf.data.pixel_scale import to_levels
from agave_tf.models.agave import AGAVE
from agave_tf.sampling.draw_images import SamplingSettings, batches_of, draw_images


class DrawnColumns(NamedTuple):
    """Rows of B columns."""

    f_z: np.ndarray | None  # uint8 [B,h,w,c]; None without a VAE
    samples: list[np.ndarray]  # each uint8 [B,H,W,C]; none without a PixelCNN++


def draw_columns(
    model: AGAVE,
    index: np.ndarray,
    settings: SamplingSettings,
    f_z_of: Callable[[np.ndarray], tf.Tensor | None],
    num_samples: int,
    label: np.ndarray | None = None,
    given: tuple[np.ndarray, np.ndarray] | None = None,
) -> DrawnColumns:
    """Draws f(z) and `num_samples` finished images for every column.

    Args:
      model: the model; a part that it lacks draws nothing.
      index: int32 [B]; the noise of the pixels of column i follows from index[i].
      settings: how to draw, and how many columns at a time.
      f_z_of: gives f(z) [b,h,w,c] of columns, from their numbers int [b]; None without
        a VAE.
      num_samples: number of finished images in each column.
      label: int32 [B], for a class-conditional PixelCNN++.
      given: images uint8 [B,H,W,C], and a mask bool [H,W] of the pixels to keep.
    """
    count = len(index)
    finishes = model.pixel_cnn is not None and settings.finish
    f_z_row = None
    if model.vae is not None:
        f_z_row = np.empty((count, *model.auxiliary_shape), np.uint8)
    samples = [
        np.empty((count, *model.image_shape), np.uint8)
        for _ in range(num_samples if finishes else 0)
    ]
    with _progress_bar(count * max(1, len(samples)), settings) as bar:
        for columns, num_valid, place in batches_of(count, settings.batch_size):
            f_z = f_z_of(columns)
            if f_z is not None and f_z_row is not None:
                f_z_row[place] = to_levels(f_z).numpy()[:num_valid]
            for number, row in enumerate(samples):
                drawn = draw_images(
                    model,
                    index[columns],
                    settings,
                    f_z=f_z,
                    label=None if label is None else label[columns],
                    given=None if given is None else (given[0][columns], given[1]),
                    sample=number,
                )
                row[place] = drawn[:num_valid]
                bar.update(num_valid)
            if not samples:
                bar.update(num_valid)
    return DrawnColumns(f_z_row, samples)


def _progress_bar(total: int, settings: SamplingSettings) -> tqdm.tqdm:
    hidden = not settings.progress or None  # None: shown on a terminal only
    return tqdm.tqdm(total=total, desc="Drawing", unit="image", disable=hidden)

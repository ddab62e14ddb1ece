"""Images drawn from the PixelCNN++, given f(z) or not."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.pixel_scale import to_levels, to_unit_range
from agave_tf.models.agave import AGAVE
from agave_tf.randomness import fold_in, seed_tensor, uniform_for_images
from agave_tf.sampling.cached import sample_cached
from agave_tf.sampling.pixel_draws import PixelDraws

# Keeps the seed of pixels apart from those of z.
_PIXELS = 2


class SamplingSettings(NamedTuple):
    """How pictures are drawn.

    seed: of every draw.
    batch_size: images that the PixelCNN++ draws at a time; changes no picture, but for
      rounding.
    z_temperature: multiplies the deviation of z from its mean, given p or q.
    pixel_temperature: as PixelDraws has it.
    finish: False leaves out what the PixelCNN++ draws.
    progress: whether to show a progress bar.
    """

    seed: int = 0
    batch_size: int = 16
    z_temperature: float = 1.0
    pixel_temperature: float = 1.0
    finish: bool = True
    progress: bool = False


def draw_images(
    model: AGAVE,
    index: tf.Tensor | Sequence[int],
    settings: SamplingSettings,
    f_z: tf.Tensor | None = None,
    label: np.ndarray | None = None,
    given: tuple[np.ndarray, np.ndarray] | None = None,
    sample: int = 0,
    progress: Callable[[int], object] = lambda count: None,
) -> np.ndarray:
    """Images x ~ p(x|z), uint8 [B,H,W,C]; row i follows from the seed and index[i].

    Args:
      model: with a PixelCNN++.
      index: int32 [B], what tells the images apart.
      settings: seed, temperature, images at a time.
      f_z: [B,h,w,c], the condition; None for the PixelCNN++ alone.
      label: int32 [B], for a class-conditional PixelCNN++.
      given: images uint8 [B,H,W,C], and bool [H,W], which of their pixels to keep.
      sample: the number of the draw, where an index has several.
      progress: called with the number of images that were drawn.
    """
    count = len(index)
    batch = min(settings.batch_size, count)
    seed = pixel_seed(settings.seed, sample)
    temperature = tf.constant(settings.pixel_temperature, tf.float32)
    parts = []
    for start in range(0, count, batch):
        # Filled up with the last image, so that every batch has the compiled size.
        rows = np.minimum(np.arange(start, start + batch), count - 1)
        draws = pixel_draws(model, tf.gather(index, rows), seed, temperature)
        if given is not None:
            x = to_unit_range(tf.constant(given[0][rows]))
            is_given = tf.reshape(tf.constant(given[1]), [1, -1, 1])
            draws = draws._replace(
                given=tf.reshape(x, draws.u_logistic.shape),
                is_given=tf.tile(is_given, [batch, 1, 1]),
            )
        x = sample_cached(
            model.pixel_cnn,
            model.image_shape[:2],
            draws,
            None if f_z is None else model.condition(tf.gather(f_z, rows)),
            None if label is None else tf.constant(label[rows]),
        )
        drawn = to_levels(x).numpy()[: count - start]
        progress(len(drawn))
        parts.append(drawn)
    return np.concatenate(parts)


def pixel_seed(seed: int | tf.Tensor, sample: int = 0) -> tf.Tensor:
    """The seed [2] of the pixels of the `sample`-th draw for every index."""
    return fold_in(fold_in(seed_tensor(seed), _PIXELS), sample)


def pixel_draws(
    model: AGAVE,
    index: tf.Tensor,
    seed: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
) -> PixelDraws:
    """The noise of images' pixels: row i follows from `seed` [2] and index[i]."""
    height, width, channels = model.image_shape
    num_mixtures = model.config.pixel_cnn.num_mixtures
    per_pixel = num_mixtures + channels
    uniform = uniform_for_images(seed, index, height * width * per_pixel)
    uniform = tf.reshape(uniform, [-1, height * width, per_pixel])
    return PixelDraws(
        uniform[..., :num_mixtures],
        uniform[..., num_mixtures:],
        temperature=temperature,
    )

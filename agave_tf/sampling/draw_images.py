"""Draws images from the PixelCNN++, with or without f(z) as a condition."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.data.pixel_scale import to_levels, to_unit_range
from agave_tf.models.agave import AGAVE
from agave_tf.models.architecture import function_of_weights
from agave_tf.randomness import Stream, fold_in, stream, uniform_for_images
from agave_tf.sampling.cached import sample_cached
from agave_tf.sampling.pixel_draws import PixelDraws


class SamplingSettings(NamedTuple):
    """How pictures are drawn."""

    seed: int = 0  # of every draw
    batch_size: int = 16  # images drawn at a time; changes pictures by rounding only
    z_temperature: float = 1.0  # factor of the noise of z; 1 is the model
    pixel_temperature: float = 1.0  # as in PixelDraws
    finish: bool = True  # False: f(z) alone, nothing drawn by the PixelCNN++
    progress: bool = False  # whether to show a progress bar


class Batch(NamedTuple):
    """Some of the images that are drawn, as many as are in a network at a time."""

    rows: np.ndarray  # int [b], numbers of the images; the last may repeat
    num_valid: int  # rows that do not repeat one before
    place: slice  # of the valid rows among all images


def batches_of(count: int, batch_size: int) -> Iterator[Batch]:
    """Cuts images 0..count-1 into batches of one size, at most `batch_size`.

    A short batch repeats its last image: every batch has the compiled size.
    """
    size = min(batch_size, count)
    for start in range(0, count, max(1, size)):
        rows = np.minimum(np.arange(start, start + size), count - 1)
        num_valid = min(size, count - start)
        yield Batch(rows, num_valid, slice(start, start + num_valid))


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
    """Draws images x ~ p(x|z), uint8 [B,H,W,C].

    Args:
      model: a model with a PixelCNN++.
      index: int32 [B]; row i of the noise follows from the seed and index[i].
      settings: seed, temperature, images at a time.
      f_z: [B,h,w,c], the condition; None for the PixelCNN++ alone.
      label: int32 [B], for a class-conditional PixelCNN++.
      given: images uint8 [B,H,W,C], and a mask bool [H,W] of the pixels to keep.
      sample: number of the draw; several draws of one index differ by it.
      progress: called with the number of images drawn since the last call.
    """
    seed = pixel_seed(settings.seed, sample)
    temperature = tf.constant(settings.pixel_temperature, tf.float32)
    images = np.empty((len(index), *model.image_shape), np.uint8)
    for rows, num_valid, place in batches_of(len(index), settings.batch_size):
        drawn = draw_batch(
            model,
            tf.gather(index, rows),
            seed,
            temperature,
            None if f_z is None else tf.gather(f_z, rows),
            None if label is None else tf.constant(label[rows]),
            None if given is None else (given[0][rows], given[1]),
        )
        images[place] = drawn.numpy()[:num_valid]
        progress(num_valid)
    return images


@function_of_weights()
def draw_batch(
    model: AGAVE,
    index: tf.Tensor,
    seed: tf.Tensor,
    temperature: tf.Tensor,
    f_z: tf.Tensor | None = None,
    label: tf.Tensor | None = None,
    given: tuple[tf.Tensor, tf.Tensor] | None = None,
) -> tf.Tensor:
    """Draws one batch, uint8 [B,H,W,C], with B known when it is compiled.

    Args:
      model, index, f_z, label, given: as for `draw_images`.
      seed: int32 [2], from `pixel_seed`.
      temperature: float32 scalar, as in `PixelDraws`.
    """
    draws = pixel_draws(model, index, seed, temperature)
    if given is not None:
        x = to_unit_range(given[0])
        is_given = tf.reshape(given[1], [1, -1, 1])
        draws = draws._replace(
            given=tf.reshape(x, draws.u_logistic.shape),
            is_given=tf.tile(is_given, [index.shape[0], 1, 1]),
        )
    size, condition = model.image_shape[:2], model.condition(f_z)
    return to_levels(sample_cached(model.pixel_cnn, size, draws, condition, label))


def pixel_seed(seed: int | tf.Tensor, sample: int = 0) -> tf.Tensor:
    """The seed [2] of draw number `sample` of the pixels, for every index."""
    return fold_in(stream(seed, Stream.PIXELS), sample)


def pixel_draws(
    model: AGAVE,
    index: tf.Tensor,
    seed: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
) -> PixelDraws:
    """The noise of the pixels of B images.

    Args:
      model: gives the shape of the noise.
      index: int32 [B]; row i follows from `seed` and index[i].
      seed: int32 [2].
      temperature: as in `PixelDraws`.
    """
    height, width, channels = model.image_shape
    num_mixtures = model.config.pixel_cnn.num_mixtures
    per_pixel = num_mixtures + channels
    uniform = uniform_for_images(seed, index, height * width * per_pixel)
    # With the number of images, which a graph's map loses and the sampler needs.
    uniform = tf.reshape(uniform, [*index.shape, height * width, per_pixel])
    return PixelDraws(
        uniform[..., :num_mixtures],
        uniform[..., num_mixtures:],
        temperature=temperature,
    )

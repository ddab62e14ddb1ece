"""Draws images from the PixelCNN++, with or without f(z) as a condition."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from agave_tf.data.batches import padded_batches
from agave_tf.models.pixel_cnn_model import AutoregressiveModel
from agave_tf.pixel_scale import to_levels
from agave_tf.randomness import (
    BITS,
    Stream,
    bits_for_images,
    fold_in,
    stream,
    uniform_for_images,
)
from agave_tf.sampling.cached import sample_cached
from agave_tf.sampling.completion import Kept
from agave_tf.sampling.drawn import SamplingSettings
from agave_tf.sampling.pixel_source import PixelDraws, QuantileDraws
from agave_tf.weights.in_use import arithmetic_in_use
from agave_tf.weights.skeletons import function_of_weights


def draw_images(
    model: AutoregressiveModel,
    index: tf.Tensor | Sequence[int],
    settings: SamplingSettings,
    f_z: tf.Tensor | None = None,
    label: np.ndarray | None = None,
    kept: Kept | None = None,
    sample: int = 0,
    progress: Callable[[int], object] = lambda count: None,
) -> np.ndarray:
    """Draws images x ~ p(x|z), uint8 [B,H,W,C], in the arithmetic in use.

    Args:
      model: the model.
      index: int32 [B]; row i of the noise follows from the seed and index[i].
      settings: seed, temperature, images at a time; `exact` in exact arithmetic alone.
      f_z: [B,h,w,c], the condition; None: without channels, for the PixelCNN++ alone.
      label: int32 [B], for a class-conditional PixelCNN++.
      kept: the pixels to keep.
      sample: number of the draw; several draws of one index differ by it.
      progress: called with the number of images drawn since the last call.
    """
    assert settings.exact is not arithmetic_in_use().is_trainable
    seed = pixel_seed(settings.seed, sample)
    temperature = tf.constant(settings.pixel_temperature, tf.float32)
    images = np.empty((len(index), *model.image_shape), np.uint8)
    if f_z is None:
        f_z = tf.zeros([len(index), *model.f_z_shape])
    for rows, num_valid, place in padded_batches(len(index), settings.batch_size):
        drawn = draw_batch(
            model,
            tf.gather(index, rows),
            seed,
            temperature,
            tf.gather(f_z, rows),
            None if label is None else tf.constant(label[rows]),
            None if kept is None else kept.some(rows),
        )
        images[place] = drawn.numpy()[:num_valid]
        progress(num_valid)
    return images


@function_of_weights()
def draw_batch(
    model: AutoregressiveModel,
    index: tf.Tensor,
    seed: tf.Tensor,
    temperature: tf.Tensor,
    f_z: tf.Tensor,
    label: tf.Tensor | None = None,
    kept: Kept | None = None,
) -> tf.Tensor:
    """Draws one batch, uint8 [B,H,W,C], with B known when it is compiled.

    Args:
      model, index, f_z, label, kept: as for `draw_images`.
      seed: int32 [2], from `pixel_seed`.
      temperature: float32 scalar, as in `PixelDraws`; 1 in exact arithmetic.
    """
    arithmetic, count = arithmetic_in_use(), index.shape[0]
    draws: PixelDraws | QuantileDraws
    if arithmetic.is_trainable:
        draws = pixel_draws(model, index, seed, temperature)
    else:
        draws = quantile_draws(model, index, seed)
    if kept is not None:
        x = arithmetic.from_levels(kept.images)
        is_given = tf.reshape(kept.is_kept, [1, -1, 1])
        draws = draws._replace(
            given=tf.reshape(x, [count, -1, model.image_shape[-1]]),
            is_given=tf.tile(is_given, [count, 1, 1]),
        )
    size, condition = model.image_shape[:2], model.condition(f_z)
    return to_levels(sample_cached(model.pixel_cnn, size, draws, condition, label))


def pixel_seed(seed: int | tf.Tensor, sample: int = 0) -> tf.Tensor:
    """The seed [2] of draw number `sample` of the pixels, for every index."""
    return fold_in(stream(seed, Stream.PIXELS), sample)


def pixel_draws(
    model: AutoregressiveModel,
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


def quantile_draws(
    model: AutoregressiveModel, index: tf.Tensor, seed: tf.Tensor
) -> QuantileDraws:
    """The draws of the pixels of B images; arguments as for `pixel_draws`."""
    height, width, channels = model.image_shape
    bits = bits_for_images(seed, index, height * width * channels)
    # In the middle of their intervals, so that none is 0.
    u = (tf.cast(bits, tf.float64) + 0.5) * 2.0**-BITS
    return QuantileDraws(tf.reshape(u, [*index.shape, height * width, channels]))

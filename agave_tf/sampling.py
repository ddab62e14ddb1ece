"""Images drawn pixel by pixel from the PixelCNN++, given f(z) or not.

After `sample_from_model` of openai/pixel-cnn `train.py`: one forward pass per pixel.
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from agave_tf.agave import AGAVE
from agave_tf.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.images import to_levels
from agave_tf.randomness import fold_in, seed_tensor, uniform_for_images


class Pictures(NamedTuple):
    """Rows of a grid, each uint8 [B,H,W,C] or [B,h,w,c]; None: there is no such."""

    image: np.ndarray | None  # what was given
    f_z: np.ndarray | None  # what the VAE makes of z
    finished: np.ndarray | None  # what the PixelCNN++ makes of that

    def rows(self) -> list[np.ndarray]:
        """The rows there are."""
        return [row for row in self if row is not None]


def prior_pictures(
    model: AGAVE,
    num_images: int,
    seed: int,
    label: np.ndarray | None = None,
    finish: bool = True,
) -> Pictures:
    """f(z) of z ~ p(z) and x ~ p(x|z); image i depends on `seed` and i alone.

    Args:
      model: with a VAE, a PixelCNN++, or both.
      num_images: B.
      seed: of every draw.
      label: int32 [B], for a class-conditional PixelCNN++.
      finish: False leaves out what the PixelCNN++ draws, which takes long.
    """
    index = tf.range(num_images)
    f_z = None
    if model.vae is not None:
        noise = model.vae.draw_noise(fold_in(seed_tensor(seed), 0), index)
        f_z = model.vae.sample_prior(noise).f_z
    finished = _finish(model, f_z, index, seed, label) if finish else None
    return Pictures(None, None if f_z is None else to_levels(f_z).numpy(), finished)


def reconstruction_pictures(
    model: AGAVE,
    image: np.ndarray,
    seed: int,
    label: np.ndarray | None = None,
    finish: bool = True,
) -> Pictures:
    """image uint8 [B,H,W,C], f(z) of z ~ q(z|x), and x ~ p(x|z).

    Args:
      model: with a VAE.
      image: to reconstruct.
      seed: of every draw.
      label: int32 [B], for a class-conditional PixelCNN++.
      finish: False leaves out what the PixelCNN++ draws, which takes long.
    """
    index = tf.range(len(image))
    noise = model.vae.draw_noise(fold_in(seed_tensor(seed), 1), index)
    f_z = model.vae.sample_posterior(model.encode(tf.constant(image)), noise).f_z
    finished = _finish(model, f_z, index, seed, label) if finish else None
    return Pictures(image, to_levels(f_z).numpy(), finished)


def _finish(
    model: AGAVE,
    f_z: tf.Tensor | None,
    index: tf.Tensor,
    seed: int,
    label: np.ndarray | None,
) -> np.ndarray | None:
    """x ~ p(x|z) uint8 [B,H,W,C]; None without a PixelCNN++."""
    if model.pixel_cnn is None:
        return None
    label = None if label is None else tf.constant(label)
    return draw_images(model, index, seed, f_z, label).numpy()


def draw_images(
    model: AGAVE,
    index: tf.Tensor,
    seed: int,
    f_z: tf.Tensor | None = None,
    label: tf.Tensor | None = None,
) -> tf.Tensor:
    """Images x ~ p(x|z), uint8 [B,H,W,C]; row i follows from `seed` and index[i].

    Args:
      model: with a PixelCNN++.
      index: int32 [B], what tells the images apart.
      seed: of the draws.
      f_z: [B,h,w,c], the condition; None for the PixelCNN++ alone.
      label: int32 [B], for a class-conditional PixelCNN++.
    """
    height, width, channels = model.image_shape
    num_mixtures = model.config.pixel_cnn.num_mixtures
    per_pixel = num_mixtures + channels
    draws = uniform_for_images(
        fold_in(seed_tensor(seed), 2), index, height * width * per_pixel
    )
    draws = tf.reshape(draws, [-1, height * width, per_pixel])
    x = sample_given_noise(
        model.pixel_cnn,
        (height, width),
        draws[..., :num_mixtures],
        draws[..., num_mixtures:],
        model.condition(f_z),
        label,
    )
    return to_levels(x)


@tf.function(reduce_retracing=True, autograph=False)
def sample_given_noise(
    pixel_cnn: ConditionalPixelCNN,
    size: tuple[int, int],
    u_mixture: tf.Tensor,
    u_logistic: tf.Tensor,
    condition: list[tf.Tensor] | None = None,
    label: tf.Tensor | None = None,
    snap_to_levels: bool = True,
) -> tf.Tensor:
    """x [B,H,W,C] in [-1,1], in raster order.

    Args:
      pixel_cnn: the network.
      size: (H,W).
      u_mixture: uniform [B,H*W,K], for the choice of a mixture component.
      u_logistic: uniform [B,H*W,C].
      condition, label: as `ConditionalPixelCNN` takes them.
      snap_to_levels: False leaves sub-pixels continuous, as the original does.
    """
    height, width = size
    num_pixels = math.prod(size)
    channels = pixel_cnn.image_channels

    def draw_pixel(position: tf.Tensor, flat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.reshape(flat, [-1, height, width, channels])
        parameters = pixel_cnn(image, condition, label)
        parameters = tf.reshape(parameters, [-1, num_pixels, parameters.shape[-1]])
        pixel = pixel_cnn.likelihood(parameters[:, position]).sample_given_noise(
            u_mixture[:, position], u_logistic[:, position], snap_to_levels
        )
        is_here = tf.range(num_pixels)[:, None] == position
        return position + 1, tf.where(is_here, pixel[:, None], flat)

    blank = tf.zeros([tf.shape(u_mixture)[0], num_pixels, channels])
    _, flat = tf.while_loop(
        lambda position, _: position < num_pixels, draw_pixel, [tf.constant(0), blank]
    )
    return tf.reshape(flat, [-1, height, width, channels])

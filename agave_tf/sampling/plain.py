"""PixelCNN++ sampling as the originals do it: one forward pass for every pixel.

After `sample_from_model` of openai/pixel-cnn `train.py`. It is the reference that
sampling/cached.py is tested and measured against.
"""

import math

import tensorflow as tf

from agave_tf.models.conditional_pixel_cnn import ConditionalPixelCNN
from agave_tf.models.padding import cut, pad_to, padded_size
from agave_tf.sampling.pixel_source import PixelDraws
from agave_tf.weights.skeletons import function_of_weights


@function_of_weights(reduce_retracing=True)
def sample_plain(
    pixel_cnn: ConditionalPixelCNN,
    size: tuple[int, int],
    draws: PixelDraws,
    condition: list[tf.Tensor] | None = None,
    label: tf.Tensor | None = None,
    num_pixels: int | None = None,
) -> tf.Tensor:
    """Draws x [B,H,W,C] in [-1,1], in raster order.

    Args:
      pixel_cnn: the network.
      size: (H,W), any.
      draws: the noise, and the pixels to keep.
      condition, label: as `pixels_in_order` takes them.
      num_pixels: how many pixels to draw, the rest staying 0; None: all.
    """
    height, width = size
    channels = pixel_cnn.image_channels
    padded = padded_size(size, pixel_cnn.side_multiple)
    if condition:
        padded = condition[0].shape[1:3]  # The VAE may need larger multiples.

    def draw_pixel(position: tf.Tensor, flat: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.reshape(flat, [-1, height, width, channels])
        parameters = pixel_cnn(pad_to(image, padded), condition, label)
        parameters = cut(parameters, size)
        parameters = tf.reshape(parameters, [-1, height * width, parameters.shape[-1]])
        pixel = draws.pixel(pixel_cnn.likelihood(parameters[:, position]), position)
        is_here = tf.range(height * width)[:, None] == position
        return position + 1, tf.where(is_here, pixel[:, None], flat)

    blank = tf.zeros([tf.shape(draws.u_mixture)[0], math.prod(size), channels])
    last = math.prod(size) if num_pixels is None else num_pixels
    _, flat = tf.while_loop(
        lambda position, _: position < last, draw_pixel, [tf.constant(0), blank]
    )
    return tf.reshape(flat, [-1, height, width, channels])

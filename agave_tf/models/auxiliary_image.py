"""The auxiliary image y: x with less colour, fewer pixels or coarser intensities.

And the parameters of p(y|z): loc from f(z), and the first s. Lucas & Verbeek 2018,
section 4.4 and Eq. 10.
"""

import math

import tensorflow as tf

from agave_tf.models.padding import cells_of
from agave_tf.pixel_scale import luma
from agave_tf.settings.config import AuxiliaryConfig


def auxiliary_shape(
    image_shape: tuple[int, int, int], config: AuxiliaryConfig
) -> tuple[int, int, int]:
    """(h,w,c) of y for x of shape (H,W,C), h and w rounded up."""
    height, width, channels = image_shape
    h, w = cells_of((height, width), config.auxiliary_downsampling)
    return h, w, 1 if config.auxiliary_color == "gray" else channels


def auxiliary_image(image: tf.Tensor, config: AuxiliaryConfig) -> tf.Tensor:
    """Makes y [B,h,w,c] float32 from image [B,H,W,C] with levels 0..255.

    In this order: gray by BT.601 luma; the average over blocks of pixels, rounded; then
    b levels of width c = 256 / b, level k as the centre of its integers,
    c * k + (c - 1) / 2. The sides of the image are multiples of
    `auxiliary_downsampling`.
    """
    y = tf.cast(image, tf.float32)
    if config.auxiliary_color == "gray" and y.shape[-1] == 3:
        y = luma(y)
    if config.auxiliary_downsampling > 1:
        factor = config.auxiliary_downsampling
        y = tf.round(tf.nn.avg_pool2d(y, factor, factor, "VALID"))
    width = 256 // config.num_color_levels
    return tf.floor(y / width) * width + (width - 1) / 2


def loc_of(f_z: tf.Tensor) -> tf.Tensor:
    """Moves f(z) from [-1,1] to the 0..256 axis of Eq. 10; level u covers [u, u+1)."""
    return 127.5 * f_z + 128.0


def log_scale_of(residual: tf.Tensor) -> tf.Tensor:
    """ln s per channel [c] of the logistic as wide as `residual`.

    A logistic of scale s has standard deviation pi * s / sqrt(3).

    Args:
      residual: [B,h,w,c], y - loc on the 0..256 axis; a deviation below 1 counts as 1.
    """
    deviation = tf.sqrt(tf.reduce_mean(tf.square(residual), axis=[0, 1, 2]))
    return tf.math.log(tf.maximum(deviation, 1.0) * math.sqrt(3) / math.pi)

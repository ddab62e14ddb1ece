"""Crops and resizes images."""

import numpy as np
import tensorflow as tf


def crop_and_resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Crops uint8 [...,H,W,C] to its centre and resizes that by area average.

    Args:
      image: one image or several.
      size: (height, width) of the result; the crop has these proportions.
    """
    height, width = size
    image_height, image_width = image.shape[-3:-1]
    factor = min(image_height / height, image_width / width)
    crop_height = min(image_height, round(height * factor))
    crop_width = min(image_width, round(width * factor))
    top = (image_height - crop_height) // 2
    left = (image_width - crop_width) // 2
    crop = image[..., top : top + crop_height, left : left + crop_width, :]
    resized = tf.image.resize(crop, size, method="area")
    return tf.cast(tf.round(resized), tf.uint8).numpy()

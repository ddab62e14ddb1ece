"""Brings images as they are stored to the depth, size and channels of a run."""

import numpy as np
import tensorflow as tf

from agave_tf.data.crops import CentreCrops
from agave_tf.data.picture_decoding import MOST_PIXELS
from agave_tf.data.source import DATASET, Notes, Origin
from agave_tf.errors import InputError
from agave_tf.pixel_scale import luma
from agave_tf.settings.data import DataConfig
from agave_tf.settings.image_size import parse_image_size

# At least as many pixels as a batch of 512 images 32x32: enough for speed.
_PIXELS_AT_ONCE = 512 * 32 * 32
_VALUES_AT_ONCE = 2**20


def prepare(
    image: np.ndarray,
    config: DataConfig,
    name: str,
    notes: Notes,
    origin: Origin = DATASET,
) -> np.ndarray:
    """Returns uint8 [n,h,w,c]: 8 bits, cropped and resized, gray or RGB.

    Images that are to be cut at random stay whole, and are enlarged if they are smaller
    than what is cut out.

    Args:
      image: uint8 or uint16 [n,H,W] or [n,H,W,C] of any stored images.
      config: the settings `image_size`, `crop`, `image_channels` and `white_level`.
      name: what to call the images in errors: the data set or the file.
      notes: what is converted is counted there.
      origin: of the images, for errors and notes.

    Raises:
      InputError: the images are of another type, of channels that are not 1 or 3, or
        would become too large.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"`{origin.name}` must have images of 8 or 16 bits, uint8 or uint16; "
            f"{name} has {image.dtype}."
        )
    if image.ndim == 3:
        image = image[..., None]
    if image.ndim != 4 or image.shape[-1] not in (1, 3):
        raise InputError(
            f"`{origin.name}` must have images of 1 or 3 channels, [H,W,C]; {name} has "
            f"{list(image.shape[1:])}."
        )
    if image.dtype == np.uint16:
        image = _to_eight_bits(image, config.white_level, notes, origin)
    image = _with_size(image, config, name, notes)
    return _with_channels(image, config.image_channels, notes)


def _with_size(
    image: np.ndarray, config: DataConfig, name: str, notes: Notes
) -> np.ndarray:
    """uint8 [n,h,w,C] cut and resized as the settings say."""
    size = parse_image_size(config.image_size)
    if size is None or image.shape[1:3] == size:
        return image
    if config.crop == "resize":
        # Some at a time: as floats all of them might not fit.
        step = max(1, _PIXELS_AT_ONCE // (image.shape[1] * image.shape[2]))
        parts = [image[i : i + step] for i in range(0, len(image), step)]
        return np.concatenate([_crop_and_resize(part, size) for part in parts])
    if image.shape[1] < size[0] or image.shape[2] < size[1]:
        notes.add("images enlarged to the size that is cut out", len(image))
        image = np.concatenate([_enlarged(one[None], size, name) for one in image])
    return image if config.crop == "random" else CentreCrops(image, size)[:]


def _to_eight_bits(
    image: np.ndarray, white_level: int, notes: Notes, origin: Origin
) -> np.ndarray:
    """Scales 0..white_level to 0..255, rounded."""
    notes.add(
        f"images of 16 bits scaled to 8, {white_level} to level 255"
        f"{origin.by_setting('white_level')}",
        len(image),
    )
    notes.see("largest value in the images of 16 bits", int(image.max(initial=0)))
    scaled = np.empty(image.shape, np.uint8)
    values, result = image.reshape(-1), scaled.reshape(-1)
    # Some at a time: in 32 bits a large image takes gigabytes.
    for start in range(0, values.size, _VALUES_AT_ONCE):
        part = slice(start, start + _VALUES_AT_ONCE)
        # At most 65535 * 255 + 32767, within 32 bits.
        level = (values[part].astype(np.uint32) * 255 + white_level // 2) // white_level
        result[part] = np.minimum(level, 255)
    return scaled


def _with_channels(image: np.ndarray, wanted: int, notes: Notes) -> np.ndarray:
    """uint8 [n,h,w,C] with the number of channels that is asked for; 0: as they are."""
    channels = image.shape[-1]
    if wanted == 1 and channels == 3:
        notes.add("RGB images converted to gray", len(image))
        return tf.cast(luma(image), tf.uint8).numpy()
    if wanted == 3 and channels == 1:
        notes.add("gray images converted to RGB", len(image))
        return np.repeat(image, 3, axis=-1)
    return image


def _crop_and_resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
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


def _enlarged(image: np.ndarray, size: tuple[int, int], name: str) -> np.ndarray:
    """Enlarges images until they are just large enough, in their own proportions.

    Args:
      image: uint8 [n,H,W,C], of which a side is shorter than in `size`.
      size: the least (height, width).
      name: what to call the images in errors.

    Raises:
      InputError: they are so long that they would become too large.
    """
    sides = image.shape[1:3]
    factor = max(least / side for least, side in zip(size, sides))
    height, width = (
        max(least, round(side * factor)) for least, side in zip(size, sides)
    )
    if height * width > MOST_PIXELS:
        raise InputError(
            f"`image_size` must suit the proportions of all images; {name} has one of "
            f"{sides[0]}x{sides[1]}, which would have to be enlarged to {height}x"
            f"{width}."
        )
    resized = tf.image.resize(image, (height, width), method="bilinear")
    return tf.cast(tf.round(resized), tf.uint8).numpy()

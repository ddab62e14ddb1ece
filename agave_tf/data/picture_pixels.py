"""The pixels of an opened picture, in any mode of Pillow, as arrays of gray or RGB."""

import numpy as np
from PIL import Image

from agave_tf.data.source import DATASET, Notes, Origin
from agave_tf.data.stored_form import GRAY_16_BITS, PNGForm
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

_OTHER_COLORS = ("CMYK", "YCbCr", "LAB", "HSV")
_PREMULTIPLIED = ("La", "RGBa")  # Their colours have been multiplied by alpha.
_PIXELS_AT_ONCE = 2**18


def pixels_of(
    picture: Image.Image,
    path: str,
    config: DataConfig,
    notes: Notes,
    origin: Origin = DATASET,
) -> np.ndarray:
    """Returns uint8 or uint16 [h,w] or [h,w,c]: gray or RGB, and alpha if it has some.

    Args:
      picture: loaded.
      path: of its file, for errors.
      config: `image_channels` says whether CMYK and the like become RGB.
      notes: what is converted is counted there.
      origin: of the picture, for errors.

    Raises:
      InputError: pixels of 32 bits, or another kind of colours while `image_channels`
        is 0.
    """
    mode = picture.mode
    if mode in ("I", *GRAY_16_BITS):
        return _as_16_bits(np.asarray(picture), path, origin)
    if mode == "1":
        picture = picture.convert("L")
    elif mode in ("P", "PA"):
        has_alpha = picture.has_transparency_data
        picture = picture.convert("RGBA" if has_alpha else "RGB")
    elif mode in _OTHER_COLORS:
        if not config.image_channels:
            raise _needs_channels(mode, path, origin)
        notes.add(f"{mode} pictures converted to RGB")
        picture = picture.convert("RGB")
    elif mode not in ("L", "RGB", "LA", "RGBA", *_PREMULTIPLIED):
        raise InputError(
            f"`{origin.name}` must have pictures of 8 or 16 bits; {path} has pixels of "
            f"Pillow's mode {mode}."
        )
    return np.asarray(picture)


def over_black(
    image: np.ndarray, picture: Image.Image, form: PNGForm | None
) -> tuple[np.ndarray, bool]:
    """Returns the image without its alpha, and whether any pixel was transparent.

    Args:
      image: uint8 or uint16 [h,w] or [h,w,c], as decoded; c is 2 or 4 with alpha.
      picture: its file, which may name one colour that is transparent.
      form: of the file, by `stored_form`.
    """
    if image.ndim == 3 and image.shape[-1] in (2, 4):
        color, alpha = image[..., :-1], image[..., -1:]
        opaque = np.iinfo(image.dtype).max
        if (alpha == opaque).all():
            return color, False
        if picture.mode not in _PREMULTIPLIED:
            color = _times_alpha(color, alpha, opaque)
        return color, True
    transparent_color = picture.info.get("transparency")
    if transparent_color is None or picture.mode in ("P", "PA"):
        return image, False
    # Pillow scales gray of 2 and 4 bits to 8, but not this colour.
    scale = {(2, 0): 85, (4, 0): 17}.get(form, 1) if form else 1
    is_transparent = image == np.multiply(transparent_color, scale)
    if image.ndim == 3:
        is_transparent = is_transparent.all(-1, keepdims=True)
    opaque_image = np.where(is_transparent, 0, image).astype(image.dtype)
    return opaque_image, bool(is_transparent.any())


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Returns the image upright.

    Args:
      image: [h,w] or [h,w,c].
      orientation: of the EXIF standard, 1 to 8. From 5 on the sides are swapped.
    """
    if orientation > 4:
        image = image.swapaxes(0, 1)
    flips = (orientation - 1) % 4
    if flips in (1, 2):
        image = image[:, ::-1]
    if flips in (2, 3):
        image = image[::-1]
    return image


def _times_alpha(color: np.ndarray, alpha: np.ndarray, opaque: int) -> np.ndarray:
    """Multiplies colours by alpha / opaque, rounded, some rows at a time."""
    result = np.empty_like(color)
    # In 32 bits a large picture takes gigabytes.
    step = max(1, _PIXELS_AT_ONCE // color.shape[1])
    for start in range(0, len(color), step):
        rows = slice(start, start + step)
        # At most 65535 * 65535 + 32767, within 32 bits.
        product = color[rows].astype(np.uint32) * alpha[rows]
        result[rows] = (product + opaque // 2) // opaque
    return result


def _needs_channels(mode: str, path: str, origin: Origin) -> InputError:
    if not origin.has_settings:
        return InputError(
            f"`{origin.name}` must be gray or RGB pictures, which are coded as they "
            f"are; {path} is {mode}."
        )
    return InputError(
        f"`image_channels` must be set to use {mode} pictures: 3 converts them to RGB, "
        f"1 to gray; got 0, and {path} is {mode}."
    )


def _as_16_bits(image: np.ndarray, path: str, origin: Origin) -> np.ndarray:
    """uint16, if the values fit."""
    low, high = int(image.min()), int(image.max())
    if low < 0 or high > 65535:
        raise InputError(
            f"`{origin.name}` must have pictures of 8 or 16 bits; {path} has values "
            f"from {low} to {high}."
        )
    return image.astype(np.uint16)

"""Decodes a picture that Pillow has opened, within bounds of size and memory."""

import contextlib
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile

from agave_tf.data.picture_pixels import (
    over_black,
    pixels_of,
    turned,
)
from agave_tf.data.source import Notes, Origin
from agave_tf.data.stored_form import OpenFile, check_depth, stored_form
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

# Beyond this number Pillow warns of files that a few bytes blow up to gigabytes.
MOST_PIXELS = 89_478_485


class _Budget:
    """Pixels that threads may decode at the same time: memory, about 14 bytes each."""

    def __init__(self, num_pixels: int):
        self._left, self._change = num_pixels, threading.Condition()

    @contextlib.contextmanager
    def taking(self, num_pixels: int) -> Iterator[None]:
        """Waits until `num_pixels` are free, and takes them until the context ends."""
        with self._change:
            self._change.wait_for(lambda: self._left >= num_pixels)
            self._left -= num_pixels
        try:
            yield
        finally:
            with self._change:
                self._left += num_pixels
                self._change.notify_all()


# Two of the largest pictures, seven of 24 million pixels.
_BUDGET = _Budget(2 * MOST_PIXELS)


@contextlib.contextmanager
def room_for(picture: Image.Image) -> Iterator[None]:
    """Waits until there is memory to decode a picture and to prepare it.

    Args:
      picture: opened; its size is known before it is decoded.

    Raises:
      ValueError: it has more than MOST_PIXELS pixels, or none.
    """
    width, height = picture.size
    if not width or not height:
        raise ValueError("it has no pixels")
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"it has {width}x{height} pixels, more than {MOST_PIXELS / 1e6:.0f} million"
        )
    with _BUDGET.taking(width * height):
        yield


def decoded(
    picture: Image.Image,
    path: str,
    config: DataConfig,
    notes: Notes,
    origin: Origin,
    open_file: OpenFile,
) -> np.ndarray:
    """Returns the first frame, upright and opaque, uint8 or uint16 [h,w] or [h,w,c].

    Args:
      picture: opened, inside `room_for`; or made in memory.
      path: of its file, for errors.
      config: as for `pixels_of`.
      notes: what is converted is counted there.
      origin: of the picture, for errors.
      open_file: opens its file; without one, an empty file.

    Raises:
      InputError: it has pixels of a kind that is not used.
      Exception: whatever the decoders of Pillow raise.
    """
    form = None
    if isinstance(picture, ImageFile):
        form = stored_form(picture, open_file)
        check_depth(picture, path, open_file, origin)
    # While it loads a TIFF file, Pillow turns it and forgets that it did.
    was_turned = picture.format == "TIFF" and orientation_of(picture) != 1
    picture.load()
    orientation = orientation_of(picture)
    if form is not None and form.bits == 16 and form.color != 0:
        # Pillow would drop the lower 8 of 16 bits.
        with open_file() as file:
            image = tf.io.decode_png(file.read(), dtype=tf.uint16).numpy()
    else:
        image = pixels_of(picture, path, config, notes, origin)
    image, is_transparent = over_black(image, picture, form)
    if is_transparent:
        notes.add("pictures with transparency, laid over black")
    if was_turned or orientation != 1:
        notes.add("pictures turned as their EXIF data say")
    if getattr(picture, "is_animated", False):
        notes.add("animated or multi-page files, of which the first frame is used")
    return turned(image, orientation)


class Largest(NamedTuple):
    """How large a picture may be."""

    side: int  # the longest height or width
    advice: str = ""  # what the error about a larger one ends with


def check_size(
    picture: Image.Image, largest: Largest, path: str, origin: Origin
) -> None:
    """Refuses a picture that is too large before it is decoded.

    Args:
      picture: opened.
      largest: how large it may be.
      path: of its file, for errors.
      origin: of the picture, for errors.

    Raises:
      InputError: it is larger.
    """
    width, height = picture.size
    if max(height, width) > largest.side:
        raise InputError(
            f"`{origin.name}` must have pictures with sides of at most {largest.side} "
            f"pixels; {path} is {height}x{width}.{largest.advice}"
        )


def orientation_of(picture: Image.Image) -> int:
    """Returns the orientation in the EXIF data, 1 (upright) to 8."""
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # The pixels are good even if the EXIF data are not.
        return 1
    return orientation if orientation in range(1, 9) else 1

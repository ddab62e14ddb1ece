"""Reads picture files of any common kind as gray or RGB images."""

import os
import re
import warnings
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import ExifTags, Image, UnidentifiedImageError

from agave_tf.data.picture_pixels import (
    TRUNCATED,
    check_depth,
    over_black,
    pixels_of,
    raw_mode_of,
    turned,
)
from agave_tf.data.prepare import prepare
from agave_tf.data.source import Notes
from agave_tf.errors import InputError, first_line
from agave_tf.settings.data import DataConfig

# Pillow knows more; some of those start other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_LOOK_AHEAD = 2  # files for each thread
_PILLOW = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def read_pictures(
    paths: Iterable[str], config: DataConfig, notes: Notes
) -> Generator[np.ndarray | None, None, None]:
    """Reads files on all CPU cores, and yields them in their order.

    Args:
      paths: of the files.
      config: as for `read_picture`.
      notes: as for `read_picture`.

    Raises:
      InputError: as `read_picture`, when it is the turn of that file.
    """
    num_threads = _num_cpus()
    pool = ThreadPoolExecutor(num_threads)
    pending: deque[Future] = deque()
    try:
        for path in paths:
            pending.append(pool.submit(read_picture, path, config, notes))
            if len(pending) > _LOOK_AHEAD * num_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def read_picture(path: str, config: DataConfig, notes: Notes) -> np.ndarray | None:
    """Returns the picture as uint8 [h,w,c], as `config` wants it; c is 1 or 3.

    It is turned as its EXIF data say, transparent pixels are laid over black, and the
    first frame of several is used. Colours of other kinds than RGB become RGB if
    `image_channels` is set.

    Args:
      path: of the file.
      config: the settings of `prepare`, and `corrupt_images`.
      notes: what is converted or left out is counted there.

    Returns:
      The image; None if it is unreadable and `corrupt_images` is skip.

    Raises:
      InputError: the file is unreadable, or has pixels of a kind that is not used.
    """
    _ignore_warnings_of_pillow()
    try:
        image = _decode(path, config, notes)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow raises whatever its decoders raise.
        if config.corrupt_images == "skip":
            logging.warning("Leaving out %s: %s.", path, _reason(error))
            notes.add("unreadable files left out")
            return None
        raise InputError(
            f"`dataset` must have readable pictures; {path} is not: {_reason(error)}. "
            "--corrupt_images=skip leaves such files out."
        ) from error
    return prepare(image[None], config, path, notes)[0]


def _decode(path: str, config: DataConfig, notes: Notes) -> np.ndarray:
    """Returns the first frame, upright and opaque, uint8 or uint16 [h,w] or [h,w,c]."""
    with Image.open(path, formats=_FORMATS) as picture:
        raw_mode = raw_mode_of(picture)
        check_depth(picture, path)
        # While it loads a TIFF file, Pillow turns it and forgets that it did.
        was_turned = picture.format == "TIFF" and _orientation(picture) != 1
        picture.load()
        if 0 in picture.size:
            raise ValueError("it has no pixels")
        orientation = _orientation(picture)
        if picture.format == "PNG" and raw_mode in TRUNCATED:
            image = tf.io.decode_png(_content(path), dtype=tf.uint16).numpy()
        else:
            image = pixels_of(picture, path, config, notes)
        image, is_transparent = over_black(image, picture, raw_mode)
        if is_transparent:
            notes.add("pictures with transparency, laid over black")
        if was_turned or orientation != 1:
            notes.add("pictures turned as their EXIF data say")
        if getattr(picture, "is_animated", False):
            notes.add("animated or multi-page files, of which the first frame is used")
    return turned(image, orientation)


def _orientation(picture: Image.Image) -> int:
    """Returns the orientation in the EXIF data, 1 (upright) to 8."""
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # The pixels are good even if the EXIF data are not.
        return 1
    return orientation if orientation in range(1, 9) else 1


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _reason(error: Exception) -> str:
    """Says why a file is unreadable, without the path that Pillow repeats."""
    if isinstance(error, UnidentifiedImageError):
        return f"it is none of {', '.join(_FORMATS)}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error).rstrip(".")


def _ignore_warnings_of_pillow() -> None:
    """Keeps its warnings, such as of large pictures, from the terminal.

    For the whole process: before Python 3.14 threads cannot have filters of their own.
    """
    if _PILLOW not in warnings.filters:
        warnings.filterwarnings("ignore", module=_PILLOW[3].pattern)


def _num_cpus() -> int:
    """Returns the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""Reads picture files of any common kind as gray or RGB images."""

import contextlib
import functools
import os
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import numpy as np
from absl import logging
from PIL import Image, UnidentifiedImageError

from agave_tf.data.picture_decoding import Largest, check_size, decoded, room_for
from agave_tf.data.prepare import prepare
from agave_tf.data.source import DATASET, Notes, Origin
from agave_tf.errors import InputError, first_line
from agave_tf.settings.data import DataConfig

# Pillow knows more; some of those start other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_LOOK_AHEAD = 2  # files for each thread


def read_pictures(
    paths: Iterable[str],
    config: DataConfig,
    notes: Notes,
    origin: Origin = DATASET,
    largest: Largest | None = None,
) -> Generator[np.ndarray | None, None, None]:
    """Reads files on all CPU cores, and yields them in their order.

    Args:
      paths: of the files.
      config: as for `read_picture`.
      notes: as for `read_picture`.
      origin: as for `read_picture`.
      largest: as for `read_picture`.

    Raises:
      InputError: as `read_picture`, when it is the turn of that file.
    """
    ignore_warnings_of_pillow()
    num_threads = _num_cpus()
    pool = ThreadPoolExecutor(num_threads)
    pending: deque[Future] = deque()
    try:
        for path in paths:
            pending.append(
                pool.submit(read_picture, path, config, notes, origin, largest)
            )
            if len(pending) > _LOOK_AHEAD * num_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def read_picture(
    path: str,
    config: DataConfig,
    notes: Notes,
    origin: Origin = DATASET,
    largest: Largest | None = None,
) -> np.ndarray | None:
    """Returns the picture as uint8 [h,w,c], as `config` wants it; c is 1 or 3.

    It is turned as its EXIF data say, transparent pixels are laid over black, and the
    first frame of several is used. Colours of other kinds than RGB become RGB if
    `image_channels` is set.

    Args:
      path: of the file.
      config: the settings of `prepare`, and `corrupt_images`.
      notes: what is converted or left out is counted there.
      origin: of the file, for errors.
      largest: beyond which it is not decoded; None: any size.

    Returns:
      The image; None if it is unreadable and `corrupt_images` is skip.

    Raises:
      InputError: the file is unreadable, has too many pixels, or pixels of a kind that
        is not used.
    """
    with (
        leaving_out(path, config, notes, origin),
        Image.open(path, formats=_FORMATS) as picture,
    ):
        if largest is not None:
            check_size(picture, largest, path, origin)
        with room_for(picture):
            open_file = functools.partial(_opened, path)
            image = decoded(picture, path, config, notes, origin, open_file)
            return prepare(image[None], config, path, notes, origin)[0]
    return None


@contextlib.contextmanager
def leaving_out(
    path: str, config: DataConfig, notes: Notes, origin: Origin
) -> Iterator[None]:
    """Leaves out or refuses a picture if the code inside the context raises an error.

    Args:
      path: of the picture, for messages.
      config: its `corrupt_images` tells what to do.
      notes: a picture that is left out is counted there.
      origin: of the picture, for errors.

    Raises:
      InputError: the picture is unreadable, and not to be left out.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow raises whatever its decoders raise.
        if config.corrupt_images != "skip":
            advice = origin.advice("corrupt_images", "skip", "leaves such files out")
            raise InputError(
                f"`{origin.name}` must have readable pictures; {path} is not: "
                f"{_reason(error)}.{advice}"
            ) from error
        logging.warning("Leaving out %s: %s.", path, _reason(error))
        notes.add("unreadable files left out")


def _opened(path: str) -> BinaryIO:
    return open(path, "rb")


def ignore_warnings_of_pillow() -> None:
    """Keeps its warnings, such as of large pictures, from the terminal.

    Call it before a pass over pictures, not for each: a new filter makes Python forget
    which warnings it has shown once. It is for the whole process: before Python 3.14
    threads cannot have filters of their own.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _reason(error: Exception) -> str:
    """Says why a file is unreadable, without the path that Pillow repeats."""
    if isinstance(error, UnidentifiedImageError):
        return f"it is none of {', '.join(_FORMATS)}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error).rstrip(".")


def _num_cpus() -> int:
    """Returns the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""The form in which a picture file stores its pixels, which Pillow does not tell."""

import os
import re
import struct
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from agave_tf.data.source import DATASET, Origin
from agave_tf.errors import InputError

GRAY_16_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # tags of TIFF
_WHITE_IS_ZERO = 0
# The signature, and of the first chunk the length, the name, the size of the picture,
# the bits of a sample and the kind of colours (PNG specification, 5.2 and 11.2.1).
_PNG = struct.Struct(">8s 4x 4s 8x 2B")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# A PPM begins with its kind, width, height and largest value, and has comments between.
_MOST_PPM_HEADER_BYTES = 2**16
_PPM_COMMENT = re.compile(rb"#[^\r\n]*(?:[\r\n]|\Z)")

OpenFile = Callable[[], BinaryIO]


class PNGForm(NamedTuple):
    """The way in which a PNG file stores pixels."""

    bits: int  # of each sample: 1, 2, 4, 8 or 16
    color: int  # 0 gray, 2 RGB, 3 a palette, 4 gray and alpha, 6 RGB and alpha


def stored_form(picture: ImageFile, open_file: OpenFile) -> PNGForm | None:
    """Returns how a PNG file stores pixels; None for other kinds and without a file.

    Args:
      picture: of the file.
      open_file: opens the file; it is empty if the picture has none any more.
    """
    if picture.format != "PNG":
        return None
    with open_file() as file:
        if not file.seek(0, os.SEEK_END):
            return None
        file.seek(0)
        return _read_png_form(file)


def check_depth(
    picture: ImageFile, path: str, open_file: OpenFile, origin: Origin = DATASET
) -> None:
    """Refuses files whose lower 8 bits Pillow would drop without a warning.

    Args:
      picture: of the file.
      path: of its file, for errors.
      open_file: as for `stored_form`.
      origin: of the picture, for errors.

    Raises:
      InputError: it has 16-bit colours and is no PNG, or is 16-bit gray whose white is
        0.
    """
    is_gray = picture.mode in ("I", "F", *GRAY_16_BITS)
    largest, is_negative = 255, False
    if isinstance(picture, TiffImageFile):
        largest = 2 ** max(picture.tag_v2.get(_BITS_PER_SAMPLE, (1,))) - 1
        is_negative = picture.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    elif picture.format == "PPM" and picture.mode not in ("1", "L") and not is_gray:
        with open_file() as file:
            if file.seek(0, os.SEEK_END):
                file.seek(0)
                largest = _read_largest_of_ppm(file)
    if largest > 255 and (is_negative or not is_gray):
        what = "gray values whose white is 0" if is_negative else "colour values"
        raise InputError(
            f"`{origin.name}` must have pictures of 8 bits, 16-bit PNG, or other "
            f"16-bit files that are gray; {path} has {what} of 0 to {largest}."
        )


def _read_png_form(file: BinaryIO) -> PNGForm:
    """Reads how a PNG file stores pixels.

    Raises:
      ValueError: it does not begin as the standard says.
    """
    head = file.read(_PNG.size)
    if len(head) == _PNG.size:
        signature, name, bits, color = _PNG.unpack(head)
        if (signature, name) == (_PNG_SIGNATURE, b"IHDR"):
            return PNGForm(bits, color)
    raise ValueError("its first chunk is not IHDR")


def _read_largest_of_ppm(file: BinaryIO) -> int:
    """Reads the largest value that a PPM file may have, 1 to 65535.

    Raises:
      ValueError: its header has none within 64 KiB.
    """
    head = file.read(_MOST_PPM_HEADER_BYTES)
    words = _PPM_COMMENT.sub(b"", head).split(maxsplit=4)
    # Where the bytes end in the number, a part of it may be missing.
    is_cut = len(head) == _MOST_PPM_HEADER_BYTES and len(words) < 5
    if is_cut or len(words) < 4 or not words[3].isdigit():
        raise ValueError("its header has no largest value")
    return int(words[3])

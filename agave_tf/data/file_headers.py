"""The first bytes of PNG and PPM files, for what Pillow does not tell of them."""

import re
import struct
from typing import BinaryIO, NamedTuple

# The signature, and of the first chunk the length, the name, the size of the picture,
# the bits of a sample and the kind of colours (PNG specification, 5.2 and 11.2.1).
_PNG = struct.Struct(">8s 4x 4s 8x 2B")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# A PPM begins with its kind, width, height and largest value, and has comments between.
_MOST_PPM_HEADER_BYTES = 2**16
_PPM_COMMENT = re.compile(rb"#[^\r\n]*(?:[\r\n]|\Z)")


class PNGForm(NamedTuple):
    """The way in which a PNG file stores pixels."""

    bits: int  # of each sample: 1, 2, 4, 8 or 16
    color: int  # 0 gray, 2 RGB, 3 a palette, 4 gray and alpha, 6 RGB and alpha


def read_png_form(file: BinaryIO) -> PNGForm:
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


def read_largest_of_ppm(file: BinaryIO) -> int:
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

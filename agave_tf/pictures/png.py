"""PNG files that are written strip by strip, for pictures larger than memory.

Portable Network Graphics Specification (Second Edition), W3C 2003: sections 5.3
(chunks), 9.2 (filters) and 11.2 (header, data and end).
"""

import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
from absl import logging

from agave_tf.whole_file import writing

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2  # The filter that stores a row of pixels as its difference from the row above.
# Sides up to which common viewers open a picture.
_VIEWABLE = 65_535


def write_strips(
    path: str, shape: tuple[int, int, int], strips: Iterable[np.ndarray]
) -> None:
    """Writes a PNG, whole or not at all.

    Args:
      path: of the file.
      shape: (H,W,3) of the picture.
      strips: uint8 [h,W,3] from the top; their heights add up to H.
    """
    height, width, _ = shape
    if max(height, width) > _VIEWABLE:
        logging.warning(
            "%s has %d x %d pixels, more than many viewers open.", path, width, height
        )
    # 8 bits for each of red, green and blue; not interlaced.
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with writing(path) as file:
        file.write(_SIGNATURE)
        _write_chunk(file, b"IHDR", header)
        compressor = zlib.compressobj()
        above = np.zeros(width * 3, np.uint8)
        for strip in strips:
            pixels = strip.reshape(len(strip), -1)
            rows = np.empty((len(pixels), 1 + len(above)), np.uint8)
            rows[:, 0] = _UP
            # The differences are modulo 256, as those of uint8 are.
            rows[:, 1:] = pixels - np.concatenate([above[None], pixels[:-1]])
            above = pixels[-1]
            _write_chunk(file, b"IDAT", compressor.compress(rows.tobytes()))
        _write_chunk(file, b"IDAT", compressor.flush())
        _write_chunk(file, b"IEND", b"")


def _write_chunk(file: BinaryIO, kind: bytes, content: bytes) -> None:
    if not content and kind == b"IDAT":
        return  # The compressor keeps small inputs back.
    checksum = zlib.crc32(content, zlib.crc32(kind))
    file.write(struct.pack(">I", len(content)) + kind + content)
    file.write(struct.pack(">I", checksum))

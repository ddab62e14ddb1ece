"""Grids of images, and the PNG files that they are written to, strip by strip.

A picture may be larger than memory. Portable Network Graphics Specification (Second
Edition), W3C 2003: sections 5.3 (chunks), 9.2 (filters) and 11.2 (header, data, end).
"""

import itertools
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import PIL.Image
import tensorflow as tf
from absl import logging
from PIL import ImageDraw, ImageFont

from agave_tf.whole_file import writing

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2  # The filter that stores a row of pixels as its difference from the row above.
# Sides up to which common viewers open a picture.
_VIEWABLE = 65_535


class Grid:
    """One picture [H,W,3] of rows of images, on white, made strip by strip.

    Gray images become RGB, and smaller ones are enlarged to the largest by nearest
    neighbour. Rows longer than `columns` continue below, all rows together.

    Args:
      rows: each uint8 [B,H,W,C], all of the same B.
      gap: pixels between images, before scaling.
      scale: factor by which everything is enlarged.
      columns: images in a line.
      captions: words to the left of every row, in one line or several; empty: no
        captions.
    """

    def __init__(
        self,
        rows: Sequence[np.ndarray],
        gap: int = 2,
        scale: int = 1,
        columns: int = 16,
        captions: Sequence[str] = (),
    ):
        self._rows, self._gap, self._scale = rows, gap, scale
        self._height = max(row.shape[1] for row in rows)
        self._width = rows[0].shape[2] * (self._height // rows[0].shape[1])
        count = len(rows[0])
        self._columns = min(columns, count)
        # For each line of the picture, the number of its first image, and its row.
        self._lines = [(i, row) for i in range(0, count, self._columns) for row in rows]
        height = scale * (gap + len(self._lines) * (self._height + gap))
        width = scale * (gap + self._columns * (self._width + gap))
        self._margin = np.zeros((height, 0), np.uint8)
        if captions:
            middle = gap + self._height // 2
            step = self._height + gap
            middles = [scale * (middle + i * step) for i in range(len(self._lines))]
            named = list(zip(middles, itertools.cycle(captions)))
            self._margin = _margin(named, height)
        self.shape = (height, self._margin.shape[1] + width, 3)

    def strips(self) -> Iterator[np.ndarray]:
        """Parts [h,W,3] of the picture, from the top: a line of images each."""
        top, columns = 0, self._columns
        for first, row in self._lines:
            line = self._line(_as_rgb(row[first : first + columns], self._height))
            yield self._with_margin(line, top)
            top += len(line) * self._scale
        yield self._with_margin(self._white(self._gap), top)

    def _white(self, height: int) -> np.ndarray:
        width = self._gap + self._columns * (self._width + self._gap)
        return np.full((height, width, 3), 255, np.uint8)

    def _line(self, images: np.ndarray) -> np.ndarray:
        """The images of a line with the gap above, before scaling."""
        gap = self._gap
        line = self._white(gap + self._height)
        for place, image in enumerate(images):
            left = gap + place * (self._width + gap)
            line[gap:, left : left + self._width] = image
        return line

    def _with_margin(self, part: np.ndarray, top: int) -> np.ndarray:
        """Enlarges a part and adds its captions; `top` is its first row of pixels."""
        part = part.repeat(self._scale, axis=0).repeat(self._scale, axis=1)
        margin = self._margin[top : top + len(part), :, None].repeat(3, axis=2)
        return np.concatenate([margin, part], axis=1)


def image_grid(
    rows: Sequence[np.ndarray],
    gap: int = 2,
    scale: int = 1,
    columns: int = 16,
    captions: Sequence[str] = (),
) -> np.ndarray:
    """The picture [H,W,3] of a `Grid`, in one array; arguments as there."""
    return np.concatenate([*Grid(rows, gap, scale, columns, captions).strips()])


def _margin(captions: list[tuple[int, str]], height: int) -> np.ndarray:
    """Draws words on white, [height,W], each centred on a row of pixels.

    Args:
      captions: (row of pixels, word).
      height: the picture's.
    """
    font = ImageFont.load_default()
    lines = [line for _, word in captions for line in word.splitlines()]
    width = max(math.ceil(font.getlength(line)) for line in lines) + 8
    picture = PIL.Image.new("L", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    for middle, word in captions:
        place = (width - 4, middle)
        draw.text(place, word, fill="black", font=font, anchor="rm", align="right")
    return np.asarray(picture)


def _as_rgb(images: np.ndarray, height: int) -> np.ndarray:
    images = np.asarray(images)
    if images.shape[-1] == 1:
        images = images.repeat(3, axis=-1)
    factor = height // images.shape[1]
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def write_png(path: str, image: np.ndarray) -> None:
    """Writes uint8 [H,W,3] as a PNG, whole or not at all."""
    png = tf.io.encode_png(image).numpy()
    with writing(path) as file:
        file.write(png)


def write_strips(
    path: str, shape: tuple[int, int, int], strips: Iterable[np.ndarray]
) -> None:
    """Writes a PNG, whole or not at all.

    Args:
      path: the file to write.
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

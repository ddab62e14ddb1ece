"""Grids of images, and PNG files."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import PIL.Image
import tensorflow as tf
from PIL import ImageDraw, ImageFont

from agave_tf.whole_file import writing


def image_grid(
    rows: Sequence[np.ndarray],
    gap: int = 2,
    scale: int = 1,
    columns: int = 16,
    captions: Sequence[str] = (),
) -> np.ndarray:
    """One picture [H,W,3] of rows of images, on white.

    Gray images become RGB, and smaller ones are enlarged to the largest by nearest
    neighbour. Rows longer than `columns` continue below, all rows together.

    Args:
      rows: each uint8 [B,H,W,C], all of the same B.
      gap: pixels between images, before scaling.
      scale: factor by which everything is enlarged.
      columns: images in a line.
      captions: words to the left of every row; empty: no captions.
    """
    height = max(row.shape[1] for row in rows)
    cells = [_as_rgb(row, height) for row in rows]
    count, _, width, _ = cells[0].shape
    columns = min(columns, count)
    lines = [row[i : i + columns] for i in range(0, count, columns) for row in cells]
    grid = np.full(
        (
            gap + len(lines) * (height + gap),
            gap + columns * (width + gap),
            3,
        ),
        255,
        np.uint8,
    )
    for i, line in enumerate(lines):
        for j, image in enumerate(line):
            top, left = gap + i * (height + gap), gap + j * (width + gap)
            grid[top : top + height, left : left + width] = image
    grid = grid.repeat(scale, axis=0).repeat(scale, axis=1)
    if not captions:
        return grid
    middles = [
        scale * (gap + i * (height + gap) + height // 2) for i in range(len(lines))
    ]
    named = list(zip(middles, itertools.cycle(captions)))
    return np.concatenate([_margin(named, len(grid)), grid], axis=1)


def _margin(captions: list[tuple[int, str]], height: int) -> np.ndarray:
    """Draws words on white, [height,W,3], each centred on a row of pixels.

    Args:
      captions: (row of pixels, word).
      height: of the picture.
    """
    font = ImageFont.load_default()
    width = max(math.ceil(font.getlength(word)) for _, word in captions) + 8
    picture = PIL.Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    for middle, word in captions:
        draw.text((width - 4, middle), word, fill="black", font=font, anchor="rm")
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

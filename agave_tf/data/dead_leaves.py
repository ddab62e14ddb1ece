"""Natural-image-like pictures by the dead leaves model: the embedded data set.

Lee, Mumford & Huang 2001, "Occlusion Models for Natural Images": discs with radii of
density r**-3, each covering what lies below it, have the scale-invariant statistics of
photographs.
"""

from collections.abc import Iterator

import numpy as np

from agave_tf.data.source import Chunk, ImagePart, ImageSource, fingerprint_of
from agave_tf.randomness import dead_leaf_generator
from agave_tf.settings.data import DataConfig
from agave_tf.settings.image_size import parse_image_size

# Enough pictures for quickstart to learn from, drawn in seconds.
_NUM_TRAIN, _NUM_TEST = 2_000, 500
_DRAWN_AT_ONCE = 100
_SUPERSAMPLING = 2
_LEAVES_PER_IMAGE = 120
# Radii as shares of the shorter side; between them the density is r**-3.
_MIN_RADIUS, _MAX_RADIUS = 0.04, 0.6
_NOISE = 2.0  # levels, like a camera's


def open_dead_leaves(config: DataConfig, seed: int = 0) -> ImageSource:
    """Describes the embedded data set; its pictures are drawn when they are read.

    Args:
      config: gives the size, 32x32 if it has none, and the channels, 3 if it has none.
      seed: of the pictures.
    """
    height, width = parse_image_size(config.image_size) or (32, 32)
    channels = config.image_channels or 3

    # The two parts are different stretches of one endless sequence.
    def part(first: int, count: int) -> ImagePart:
        def chunks() -> Iterator[Chunk]:
            for start in range(first, first + count, _DRAWN_AT_ONCE):
                size = (height, width, channels)
                yield Chunk(draw_dead_leaves(_DRAWN_AT_ONCE, *size, seed, start), None)

        return ImagePart(count, chunks)

    return ImageSource(
        name="dead_leaves",
        fingerprint=fingerprint_of("dead_leaves", height, width, channels, seed),
        parts={"train": part(0, _NUM_TRAIN), "test": part(_NUM_TRAIN, _NUM_TEST)},
        held_out="other pictures of the same kind",
    )


def draw_dead_leaves(
    num_images: int,
    height: int,
    width: int,
    channels: int,
    seed: int,
    first_image: int = 0,
) -> np.ndarray:
    """Draws pictures number first_image, first_image + 1, ..., uint8 [N,H,W,C].

    Picture i depends only on `seed`, i and the size.

    Args:
      num_images: N.
      height, width: H and W.
      channels: C, 3 or 1.
      seed: the seed of the whole sequence.
      first_image: the number of the first picture.
    """
    return np.stack(
        [
            _draw(height, width, channels, dead_leaf_generator(seed, i))
            for i in range(first_image, first_image + num_images)
        ]
    )


def _draw(
    height: int, width: int, channels: int, rng: np.random.Generator
) -> np.ndarray:
    """Draws a picture [H,W,C], from the topmost leaf down: each fills free pixels."""
    fine_height, fine_width = height * _SUPERSAMPLING, width * _SUPERSAMPLING
    side = min(fine_height, fine_width)
    n = _LEAVES_PER_IMAGE
    # Inverse of the cumulative distribution of the density r**-3.
    low, high = _MIN_RADIUS**-2, _MAX_RADIUS**-2
    radius = side * (high + rng.random(n) * (low - high)) ** -0.5
    center_y = rng.uniform(-0.2, 1.2, n) * fine_height
    center_x = rng.uniform(-0.2, 1.2, n) * fine_width
    color, slope = _colors(n, channels, rng)
    angle = rng.uniform(0, 2 * np.pi, n)

    owner = _topmost(center_y, center_x, radius, (fine_height, fine_width))
    y = np.arange(fine_height)[:, None] + 0.5
    x = np.arange(fine_width)[None, :] + 0.5

    # Light falls off across a leaf, along a direction of its own.
    def at_pixels(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, values[-1:]])[owner]

    along = (
        (y - at_pixels(center_y)) * at_pixels(np.sin(angle))
        + (x - at_pixels(center_x)) * at_pixels(np.cos(angle))
    ) / at_pixels(radius)
    shading = np.clip(along, -1, 1) * at_pixels(slope)
    fine = at_pixels(color) + shading[..., None]
    coarse = fine.reshape(height, _SUPERSAMPLING, width, _SUPERSAMPLING, channels).mean(
        axis=(1, 3)
    )
    coarse += rng.normal(0, _NOISE, coarse.shape)
    return np.clip(np.rint(coarse), 0, 255).astype(np.uint8)


def _topmost(
    center_y: np.ndarray,
    center_x: np.ndarray,
    radius: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Returns the number of the topmost of n leaves at each pixel [H,W]; n: none.

    Each leaf is compared with the pixels of the square around it alone.

    Args:
      center_y, center_x, radius: of the leaves [n], the topmost first, in pixels.
      size: (H,W).
    """
    n, (height, width) = len(radius), size

    def span(center: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        first = np.clip(np.floor(center - radius), 0, length).astype(int)
        end = np.clip(np.ceil(center + radius), 0, length).astype(int)
        return first, end - first

    first_row, rows = span(center_y, height)
    first_column, columns = span(center_x, width)
    # Every pixel of every square, one square after another.
    count = rows * columns
    leaf = np.repeat(np.arange(n), count)
    within = np.arange(len(leaf)) - np.repeat(np.cumsum(count) - count, count)
    row, column = np.divmod(within, columns[leaf])
    row, column = row + first_row[leaf], column + first_column[leaf]
    distance = (row + 0.5 - center_y[leaf]) ** 2 + (column + 0.5 - center_x[leaf]) ** 2
    covers = distance < radius[leaf] ** 2
    owner = np.full(height * width, n)
    np.minimum.at(owner, (row * width + column)[covers], leaf[covers])
    return owner.reshape(size)


def _colors(
    num: int, channels: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Colours [num,channels] and strengths of shading [num], in levels.

    As in photographs, brightness varies more than hue, and an image has a palette.
    """
    palette_light = rng.normal(120, 25)
    palette_hue = rng.normal(0, 18, channels) if channels == 3 else 0.0
    light = rng.normal(palette_light, 50, (num, 1))
    hue = rng.normal(0, 14, (num, channels)) if channels == 3 else 0.0
    return light + palette_hue + hue, rng.normal(0, 22, num)

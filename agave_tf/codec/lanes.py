"""Which image is in which lane, and what a lane's checksum is of."""

import zlib
from typing import NamedTuple

import numpy as np

from agave_tf.codec.latent_code import LatentCode


class LaneBatch(NamedTuple):
    """The images that are in the network at a time, one in each of L lanes."""

    rows: np.ndarray  # int [L], numbers of the images; the last may repeat
    is_on: np.ndarray  # bool [L], whether the lane has an image of its own


def lane_batches(num_images: int, num_lanes: int) -> list[LaneBatch]:
    """All batches in their order; image i is in lane i modulo `num_lanes`."""
    batches = []
    for first in range(0, num_images, num_lanes):
        rows = np.arange(first, first + num_lanes)
        is_on = rows < num_images
        batches.append(LaneBatch(np.minimum(rows, num_images - 1), is_on))
    return batches


def lane_checksums(
    images: np.ndarray, codes: list[LatentCode], num_lanes: int
) -> np.ndarray:
    """31 bits of the CRC-32 of every lane's latents and images, int64 [L].

    Args:
      images: uint8 [N,H,W,C].
      codes: the latents of every batch.
      num_lanes: L.
    """
    checksums = [0] * num_lanes
    for number, image in enumerate(images):
        batch, lane = divmod(number, num_lanes)
        content = codes[batch].of_image(lane) + image.tobytes()
        checksums[lane] = zlib.crc32(content, checksums[lane])
    return np.array(checksums, np.int64) & ((1 << 31) - 1)

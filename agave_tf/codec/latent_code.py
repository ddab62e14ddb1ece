"""The code of z: by level, the number of blocks, and the candidate of each block.

Candidates are normal numbers that encoder and decoder share, the same on every machine.
They come from the whole numbers of NumPy's Philox generator, whose stream NumPy
guarantees, and from a table; `standard_normal` could change with NumPy. Images are
coded in lanes, one image of each lane at a time.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.arithmetic.normal_table import normal_table
from agave_tf.codec.entropy_coder import (
    Interval,
    OpenStacks,
    equal_interval,
    symbol_at,
)
from agave_tf.data.batches import padded_batches

# The largest count of blocks of a level.
MAX_BLOCKS = 255


class LatentCode(NamedTuple):
    """The latents of B images, as indices of candidates; by level, from the top.

    A level has R regions, each of which has blocks of its own (latents.py).
    """

    counts: list[np.ndarray]  # int64 [B,R], blocks of each region
    # int64 [max count,B,R]; a region has those below its count
    indices: list[np.ndarray]

    def filling_up(self, is_on: np.ndarray) -> "LatentCode":
        """Gives lanes that are off the counts of the first: they widen no range."""
        is_on = is_on[:, None]
        counts = [np.where(is_on, count, count[0]) for count in self.counts]
        return self._replace(counts=counts)

    def image_bytes(self, lane: int) -> bytes:
        """The counts and indices of one image."""
        return b"".join(
            np.append(index[:num_blocks, lane, region], num_blocks)
            .astype("<u2")
            .tobytes()
            for count, index in zip(*self, strict=True)
            for region, num_blocks in enumerate(count[lane])
        )


class CountRange(NamedTuple):
    """The counts of blocks that occur in a level."""

    least: int
    most: int


def ranges_of(codes: list[LatentCode]) -> list[CountRange]:
    """The range of the counts of every level, over all images and regions."""
    by_level = zip(*(code.counts for code in codes), strict=True)
    return [
        CountRange(int(np.min(counts)), int(np.max(counts)))
        for counts in map(np.concatenate, by_level)
    ]


def symbols_of(
    code: LatentCode, ranges: list[CountRange], index_bits: int
) -> Iterator[tuple[Interval, np.ndarray | bool]]:
    """Yields the symbols of a code in the order in which `pop_code` pops them.

    With each come the lanes that have it, bool [B], or True for all.
    """
    for counts, indices, (least, most) in zip(*code, ranges, strict=True):
        for region, count in enumerate(counts.T):
            if most > least:
                yield equal_interval(count - least, most - least + 1), True
            for block in range(count.max(initial=0)):
                index = indices[block, :, region]
                yield equal_interval(index, 1 << index_bits), block < count


def pop_code(
    stacks: OpenStacks,
    ranges: list[CountRange],
    num_regions: Sequence[int],
    index_bits: int,
    is_on: np.ndarray,
) -> LatentCode:
    """Pops the code of one image from every lane that is on, bool [B].

    Args:
      stacks: the lanes.
      ranges: of the counts of every level.
      num_regions: of every level.
      index_bits: bits of an index.
      is_on: bool [B].
    """
    code = LatentCode([], [])
    for (least, most), regions in zip(ranges, num_regions, strict=True):
        counts = np.zeros([len(is_on), regions], np.int64)
        indices = np.zeros([most, len(is_on), regions], np.int64)
        for region in range(regions):
            count = np.where(is_on, least, 0)
            if most > least:
                count += _pop_equal(stacks, most - least + 1, is_on)
            counts[:, region] = count
            for block in range(count.max(initial=0)):
                index = _pop_equal(stacks, 1 << index_bits, block < count)
                indices[block, :, region] = index
        code.counts.append(counts)
        code.indices.append(indices[: counts.max(initial=0)])
    return code


def _pop_equal(stacks: OpenStacks, num_symbols: int, is_on: np.ndarray) -> np.ndarray:
    symbol = symbol_at(stacks.slot, num_symbols)
    stacks.pop(equal_interval(symbol, num_symbols), is_on)
    return np.where(is_on, symbol, 0)


class LaneBatch(NamedTuple):
    """The images that are in the network at a time, one in each of L lanes."""

    rows: np.ndarray  # int [L], numbers of the images; the last may repeat
    is_on: np.ndarray  # bool [L], whether the lane has an image of its own


def lane_batches(num_images: int, num_lanes: int) -> list[LaneBatch]:
    """All batches in their order; image i is in lane i modulo `num_lanes`."""
    return [
        LaneBatch(rows, np.arange(num_lanes) < num_valid)
        for rows, num_valid, _ in padded_batches(num_images, num_lanes, shrinks=False)
    ]


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
        content = codes[batch].image_bytes(lane) + image.tobytes()
        checksums[lane] = zlib.crc32(content, checksums[lane])
    return np.array(checksums, np.int64) & ((1 << 31) - 1)


def shared_normal(level: int, block: int, shape: tuple[int, int]) -> np.ndarray:
    """Standard normal numbers float32 [D,N] of one block of a level of latents.

    Fewer rows are the first of more.

    Args:
      level: number of the level, from the top.
      block: number of the block.
      shape: (D,N).
    """
    bits = np.random.Philox(key=[level, block])
    num = shape[0] * shape[1]
    words = bits.random_raw(-(-num // 4)).astype("<u8").view("<u2")[:num]
    return normal_table()[words].reshape(shape)


def shared_order(level: int, num_dims: int) -> np.ndarray:
    """A random order of the dimensions 0..D-1 of a level, int64 [D]."""
    bits = np.random.Philox(key=[level, 2**63])
    # The keys have 64 random bits; `permutation` could change with NumPy.
    return np.argsort(bits.random_raw(num_dims), kind="stable")

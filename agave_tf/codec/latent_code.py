"""The code of z: by level and region, the candidates of its blocks.

The number of blocks follows from the number of candidates.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec.entropy_coder import OpenStack, Stack

# The largest count of blocks of a region.
MAX_BLOCKS = 255

# The latents of one image: of every level from the top, of every region (regions.py),
# the candidate of each block.
LatentCode = list[list[list[int]]]


class CountRange(NamedTuple):
    """The counts of blocks that occur in a level."""

    least: int
    most: int


def ranges_of(codes: Sequence[LatentCode]) -> list[CountRange]:
    """The range of the counts of every level, over all images and regions."""
    by_level = [
        [len(blocks) for regions in level for blocks in regions]
        for level in zip(*codes, strict=True)
    ]
    return [CountRange(min(counts), max(counts)) for counts in by_level]


def code_bytes(code: LatentCode) -> bytes:
    """The code of an image as bytes, for a checksum."""
    return b"".join(
        np.array([*blocks, len(blocks)], "<u2").tobytes()
        for regions in code
        for blocks in regions
    )


def push_code(
    stack: Stack, code: LatentCode, ranges: list[CountRange], index_bits: int
) -> None:
    """Pushes the code of one image, for `pop_code`.

    Args:
      stack: the stream.
      code: the code.
      ranges: of the counts of every level.
      index_bits: bits of the number of a candidate.
    """
    symbols = [
        symbol
        for regions, (least, most) in zip(code, ranges, strict=True)
        for blocks in regions
        for symbol in _symbols(blocks, least, most, 1 << index_bits)
    ]
    for symbol, num_symbols in reversed(symbols):
        stack.push_equal(symbol, num_symbols)


def _symbols(
    blocks: list[int], least: int, most: int, num_candidates: int
) -> Iterator[tuple[int, int]]:
    """The symbols of a region, each with the number of symbols it is one of."""
    if most > least:
        yield len(blocks) - least, most - least + 1
    for index in blocks:
        yield index, num_candidates


def pop_code(
    stack: OpenStack,
    ranges: list[CountRange],
    num_regions: Sequence[int],
    index_bits: int,
) -> LatentCode:
    """Pops the code of one image.

    Args:
      stack: the stream.
      ranges: of the counts of every level.
      num_regions: of every level.
      index_bits: bits of the number of a candidate.

    Raises:
      InputError: the stream ends before.
    """

    def region(least: int, most: int) -> list[int]:
        more = stack.pop_equal(most - least + 1) if most > least else 0
        return [stack.pop_equal(1 << index_bits) for _ in range(least + more)]

    return [
        [region(*counts) for _ in range(regions)]
        for counts, regions in zip(ranges, num_regions, strict=True)
    ]

"""The code of z: the number of blocks of a level, and the candidate of each."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from agave_tf.codec.entropy_coder import (
    Interval,
    OpenStacks,
    equal_interval,
    symbol_at,
)

# The largest count of blocks of a level.
MAX_BLOCKS = 255


class LatentCode(NamedTuple):
    """The latents of B images, as indices of candidates; by level, from the top."""

    counts: list[np.ndarray]  # int64 [B], blocks of each image
    indices: list[np.ndarray]  # int64 [max count,B]; an image has those below its count

    def of_image(self, lane: int) -> bytes:
        """The counts and indices of one image."""
        return b"".join(
            np.append(index[: count[lane], lane], count[lane]).astype("<u2").tobytes()
            for count, index in zip(*self, strict=True)
        )


class CountRange(NamedTuple):
    """The counts of blocks that occur in a level."""

    least: int
    most: int


def ranges_of(codes: list[LatentCode]) -> list[CountRange]:
    """The range of the counts of every level, over all images."""
    by_level = zip(*(code.counts for code in codes), strict=True)
    return [
        CountRange(int(np.min(counts)), int(np.max(counts)))
        for counts in map(np.concatenate, by_level)
    ]


def symbols_of(
    code: LatentCode, ranges: list[CountRange], index_bits: int
) -> Iterator[tuple[Interval, np.ndarray | bool]]:
    """The symbols of a code in the order in which `pop_code` pops them.

    Each with the lanes that have it, bool [B], or True for all.
    """
    for count, indices, (least, most) in zip(*code, ranges, strict=True):
        if most > least:
            yield equal_interval(count - least, most - least + 1), True
        for block, index in enumerate(indices):
            yield equal_interval(index, 1 << index_bits), block < count


def pop_code(
    stacks: OpenStacks, ranges: list[CountRange], index_bits: int, is_on: np.ndarray
) -> LatentCode:
    """Pops the code of one image from every lane that is on, bool [B]."""
    code = LatentCode([], [])
    for least, most in ranges:
        count = np.where(is_on, least, 0)
        if most > least:
            count += _pop_equal(stacks, most - least + 1, is_on)
        indices = [
            _pop_equal(stacks, 1 << index_bits, block < count)
            for block in range(count.max(initial=0))
        ]
        code.counts.append(count)
        code.indices.append(np.array(indices, np.int64).reshape(-1, len(count)))
    return code


def _pop_equal(stacks: OpenStacks, num_symbols: int, is_on: np.ndarray) -> np.ndarray:
    symbol = symbol_at(stacks.slot, num_symbols)
    stacks.pop(equal_interval(symbol, num_symbols), is_on)
    return np.where(is_on, symbol, 0)

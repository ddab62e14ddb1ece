"""Lanes: streams, each of some of the images of a group, with a checksum of its own."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec.entropy_coder import CHECKSUM_MASK, Stack
from agave_tf.codec.latent_code import LatentCode, code_bytes, push_code, ranges_of
from agave_tf.codec.pixels import Intervals


class CodedImages(NamedTuple):
    """Images as an encoder sees them: what every symbol of theirs costs."""

    codes: list[LatentCode]  # of every image; without levels if there is no z
    intervals: Intervals  # [N,H*W*C]

    def bits(self, index_bits: int) -> np.ndarray:
        """The bits of every image's pixels and latents, float64 [N]."""
        blocks = [
            sum(len(region) for level in code for region in level)
            for code in self.codes
        ]
        return self.intervals.bits + index_bits * np.array(blocks, float)

    def some(self, places: np.ndarray) -> "CodedImages":
        """Those of the images in these places."""
        codes = [self.codes[place] for place in places]
        return CodedImages(codes, Intervals(*(x[places] for x in self.intervals)))


def stacks_of_lanes(
    images: np.ndarray, coded: CodedImages, num_lanes: int, index_bits: int
) -> list[Stack]:
    """The stacks of L lanes, not read yet; image i is in lane i modulo L.

    Args:
      images: uint8 [N,H,W,C].
      coded: what each of them costs.
      num_lanes: L, from 1 to N.
      index_bits: bits of the number of a candidate.
    """
    ranges = ranges_of(coded.codes)
    checksums = checksums_of_lanes(images, coded.codes, num_lanes)

    def push_lane(lane: int) -> Stack:
        stack = Stack(checksums[lane])
        own = range(lane, len(images), num_lanes)
        # A stream is a stack: the last image is pushed first, and all latents last.
        for number in reversed(own):
            stack.push_intervals(*(x[number] for x in coded.intervals))
        for number in reversed(own):
            push_code(stack, coded.codes[number], ranges, index_bits)
        return stack

    return [push_lane(lane) for lane in range(num_lanes)]


def checksums_of_lanes(
    images: np.ndarray, codes: Sequence[LatentCode], num_lanes: int
) -> list[int]:
    """31 bits of the CRC-32 of every lane's latents and images.

    Args:
      images: uint8 [N,H,W,C].
      codes: of every image.
      num_lanes: L.
    """
    checksums = [0] * num_lanes
    for number, (image, code) in enumerate(zip(images, codes, strict=True)):
        lane = number % num_lanes
        content = code_bytes(code) + image.tobytes()
        checksums[lane] = zlib.crc32(content, checksums[lane])
    return [checksum & CHECKSUM_MASK for checksum in checksums]

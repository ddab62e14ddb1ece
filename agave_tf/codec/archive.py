"""Writes and reads the bytes of a file of coded images.

    "AG"                               2 bytes
    format; flags                      5 and 3 bits: has names, labels, is compressed
    fingerprint of the weights         3 bytes
    environment                        7 bytes (codec/environment.py)
    bits of an index; flag             5 bits, 0 without z; 3 bits: is one image, which
                                       has one count of blocks in every level
    number of lanes, of images         a varint each, if it is not one such image
    least count of blocks, by level    with z, in half bytes, as varints of 3 bits
    most - least, by level             the same, if it is not one such image
    names, labels                      length as a varint, then bytes; if there are any
    length of every stream             a varint each, but for the last one
    checksum of all this               2 bytes (CRC-16)
    streams                            of every lane, one after the other

Image i is in lane i modulo the number of lanes. A stream holds the latents of all its
images, and then their pixels, so a preview needs its first bytes alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec.environment import Environment, unpacked
from agave_tf.codec.latent_code import CountRange
from agave_tf.codec.packing import (
    DAMAGED,
    LOW_BITS,
    MAGIC,
    Reader,
    checksum,
    in_half_bytes,
    pack_names_and_labels,
    read_names_and_labels,
    varint,
)
from agave_tf.errors import InputError

_FORMAT = 2
_FINGERPRINT_BYTES, _ENVIRONMENT_BYTES = 3, 7


class Archive(NamedTuple):
    """The content of a file."""

    weights: bytes  # the first bytes of their fingerprint
    environment: Environment
    num_images: int
    index_bits: int  # 0 without z
    ranges: list[CountRange]  # of the counts of blocks, by level
    names: Sequence[str] | None
    labels: np.ndarray | None  # int32 [N]
    streams: list[bytes]

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        flags, names_and_labels = pack_names_and_labels(self.names, self.labels)
        has_ranges = any(most > least for least, most in self.ranges)
        is_one = self.num_images == 1 and not has_ranges
        head = [
            MAGIC + bytes([_FORMAT | flags << LOW_BITS]),
            self.weights[:_FINGERPRINT_BYTES],
            self.environment.packed(),
            bytes([self.index_bits | is_one << LOW_BITS]),
        ]
        if not is_one:
            head += [varint(len(self.streams)), varint(self.num_images)]
        if self.index_bits:
            counts = [least for least, _ in self.ranges]
            if not is_one:
                counts += [most - least for least, most in self.ranges]
            head.append(in_half_bytes(counts))
        head.append(names_and_labels)
        head += [varint(len(stream)) for stream in self.streams[:-1]]
        data = b"".join(head)
        return data + checksum(data) + b"".join(self.streams)


def num_threads_of(data: bytes) -> int:
    """The number of threads with which a file must be decoded; 1 if it is no file.

    0, where it is 256 or more, lets TensorFlow take as many as there are CPUs.
    """
    first = len(MAGIC) + 1 + _FINGERPRINT_BYTES
    packed = data[first : first + _ENVIRONMENT_BYTES]
    return unpacked(packed).num_threads if len(packed) == _ENVIRONMENT_BYTES else 1


def archive_of(data: bytes, num_levels: int) -> Archive:
    """Reads the bytes of a file.

    Args:
      data: the file.
      num_levels: levels of z of the model.

    Raises:
      InputError: not such a file, one of another format, or a damaged one.
    """
    if data[:2] != MAGIC:
        raise InputError(
            "The file must be one of coded images, which begins with "
            f"{MAGIC.decode()}; got one that begins with {data[:2]!r}."
        )
    reader = Reader(data, 2)
    flags, version = divmod(reader.byte(), 1 << LOW_BITS)
    if version != _FORMAT:
        raise InputError(
            f"The file must be of format {_FORMAT}, which this version of agave_tf "
            f"reads; got format {version}."
        )
    weights = reader.bytes(_FINGERPRINT_BYTES)
    environment = unpacked(reader.bytes(_ENVIRONMENT_BYTES))
    is_one, index_bits = divmod(reader.byte(), 1 << LOW_BITS)
    num_lanes, num_images, ranges = 1, 1, []
    if not is_one:
        num_lanes, num_images = reader.varint(), reader.varint()
    if index_bits:
        counts = reader.half_bytes(num_levels if is_one else 2 * num_levels)
        more = counts[num_levels:] or [0] * num_levels
        ranges = [CountRange(a, a + b) for a, b in zip(counts, more)]
    content = reader.bytes(reader.varint()) if flags else b""
    if not 1 <= num_lanes <= num_images:
        raise InputError(f"{DAMAGED}: {num_lanes} lanes of {num_images} images.")
    lengths = [reader.varint() for _ in range(num_lanes - 1)]
    end = reader.place
    if reader.bytes(2) != checksum(data[:end]):
        raise InputError(f"{DAMAGED}: the checksum of its header is another.")
    streams = [reader.bytes(length) for length in lengths]
    streams.append(data[reader.place :])
    names, labels = read_names_and_labels(flags, content, num_images)
    return Archive(
        weights, environment, num_images, index_bits, ranges, names, labels, streams
    )

"""Writes and reads the bytes of a file of coded images.

    "AG"                               2 bytes
    format; flags                      5 and 3 bits: has names, labels, is compressed
    fingerprint of the weights         3 bytes
    environment                        7 bytes (codec/environment.py)
    bits of an index; flag             5 bits, 0 without z; 3 bits: is one image
    number of lanes, of images         a varint each, if there are several images
    least count of blocks, by level    with z, in half bytes, as varints of 3 bits
    most - least, by level             the same, if there are several images
    names, labels                      length as a varint, then bytes; if there are any
    length of every stream             a varint each, but for the last one
    checksum of all this               2 bytes (CRC-16)
    streams                            of every lane, one after the other

Image i is in lane i modulo the number of lanes. A stream holds the latents of all its
images, and then their pixels, so a preview needs its first bytes alone.
"""

import binascii
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec.environment import Environment, unpacked
from agave_tf.codec.latent_code import MAX_BLOCKS, CountRange
from agave_tf.errors import InputError

_MAGIC, _FORMAT = b"AG", 2
_HAS_NAMES, _HAS_LABELS, _IS_COMPRESSED = 1, 2, 4
_FINGERPRINT_BYTES, _ENVIRONMENT_BYTES = 3, 7
# Two numbers share a byte: one below 32, and one below 8.
_LOW_BITS = 5
_DAMAGED = "The file of coded images is damaged or incomplete"
# A length in the file can be no larger.
_MOST = 1 << 48


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
        flags, names_and_labels = self._names_and_labels()
        is_one = self.num_images == 1
        head = [
            _MAGIC + bytes([_FORMAT | flags << _LOW_BITS]),
            self.weights[:_FINGERPRINT_BYTES],
            self.environment.packed(),
            bytes([self.index_bits | is_one << _LOW_BITS]),
        ]
        if not is_one:
            head += [_varint(len(self.streams)), _varint(self.num_images)]
        if self.index_bits:
            counts = [least for least, _ in self.ranges]
            if not is_one:
                counts += [most - least for least, most in self.ranges]
            head.append(_in_half_bytes(counts))
        head.append(names_and_labels)
        head += [_varint(len(stream)) for stream in self.streams[:-1]]
        data = b"".join(head)
        return data + _checksum(data) + b"".join(self.streams)

    def _names_and_labels(self) -> tuple[int, bytes]:
        """The flags of names and labels, and their bytes."""
        flags, parts = 0, []
        if self.names is not None:
            flags |= _HAS_NAMES
            parts.append("\0".join(self.names).encode("utf-8", "surrogateescape"))
        if self.labels is not None:
            flags |= _HAS_LABELS
            # Labels are -1 or more.
            parts.append(b"".join(_varint(int(label) + 1) for label in self.labels))
        if not flags:
            return 0, b""
        content = b"".join(_varint(len(part)) + part for part in parts)
        compressed = zlib.compress(content, 9)
        if len(compressed) < len(content):
            flags, content = flags | _IS_COMPRESSED, compressed
        return flags, _varint(len(content)) + content


def num_threads_of(data: bytes) -> int:
    """The number of threads with which a file must be decoded; 1 if it is no file.

    0, where it is 256 or more, lets TensorFlow take as many as there are CPUs.
    """
    first = len(_MAGIC) + 1 + _FINGERPRINT_BYTES
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
    if data[:2] != _MAGIC:
        raise InputError(
            "The file must be one of coded images, which begins with "
            f"{_MAGIC.decode()}; got one that begins with {data[:2]!r}."
        )
    reader = _Reader(data, 2)
    flags, version = divmod(reader.byte(), 1 << _LOW_BITS)
    if version != _FORMAT:
        raise InputError(
            f"The file must be of format {_FORMAT}, which this version of agave_tf "
            f"reads; got format {version}."
        )
    weights = reader.bytes(_FINGERPRINT_BYTES)
    environment = unpacked(reader.bytes(_ENVIRONMENT_BYTES))
    is_one, index_bits = divmod(reader.byte(), 1 << _LOW_BITS)
    num_lanes, num_images, ranges = 1, 1, []
    if not is_one:
        num_lanes, num_images = reader.varint(), reader.varint()
    if index_bits:
        counts = reader.half_bytes(num_levels if is_one else 2 * num_levels)
        more = counts[num_levels:] or [0] * num_levels
        ranges = [CountRange(a, a + b) for a, b in zip(counts, more)]
    content = reader.bytes(reader.varint()) if flags else b""
    if not 1 <= num_lanes <= num_images:
        raise InputError(f"{_DAMAGED}: {num_lanes} lanes of {num_images} images.")
    lengths = [reader.varint() for _ in range(num_lanes - 1)]
    end = reader.place
    if reader.bytes(2) != _checksum(data[:end]):
        raise InputError(f"{_DAMAGED}: the checksum of its header is another.")
    streams = [reader.bytes(length) for length in lengths]
    streams.append(data[reader.place :])
    try:
        names, labels = _read_names_and_labels(flags, content, num_images)
    except (zlib.error, OverflowError) as error:
        raise InputError(f"{_DAMAGED}: its names or labels ({error}).") from error
    if names is not None and len(names) != num_images:
        raise InputError(f"{_DAMAGED}: {len(names)} names of {num_images} images.")
    return Archive(
        weights, environment, num_images, index_bits, ranges, names, labels, streams
    )


def _read_names_and_labels(
    flags: int, content: bytes, num_images: int
) -> tuple[list[str] | None, np.ndarray | None]:
    if flags & _IS_COMPRESSED:
        content = zlib.decompress(content)
    reader, names, labels = _Reader(content, 0), None, None
    if flags & _HAS_NAMES:
        text = reader.bytes(reader.varint()).decode("utf-8", "surrogateescape")
        names = text.split("\0")
    if flags & _HAS_LABELS:
        label_reader = _Reader(reader.bytes(reader.varint()), 0)
        labels = np.array(
            [label_reader.varint() - 1 for _ in range(num_images)], np.int32
        )
    return names, labels


class _Reader:
    """Reads parts of the bytes of a file, one after the other."""

    def __init__(self, data: bytes, place: int):
        self._data, self.place = data, place

    def bytes(self, count: int) -> bytes:
        part = self._data[self.place : self.place + count]
        if len(part) < count:
            raise InputError(f"{_DAMAGED}: it ends in its header.")
        self.place += count
        return part

    def byte(self) -> int:
        return self.bytes(1)[0]

    def half_bytes(self, count: int) -> list[int]:
        """The numbers that `_in_half_bytes` wrote."""
        digits, values = self._digits(), []
        for _ in range(count):
            value = shift = 0
            while (digit := next(digits)) & 8:
                value |= (digit & 7) << shift
                shift += 3
            value |= digit << shift
            if value > MAX_BLOCKS:
                raise InputError(f"{_DAMAGED}: a count of its header is too large.")
            values.append(value)
        return values

    def _digits(self) -> Iterator[int]:
        while True:
            yield from divmod(self.byte(), 16)

    def varint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if value >= _MOST:
                raise InputError(f"{_DAMAGED}: a number of its header is too large.")
            if byte < 128:
                return value


def _varint(value: int) -> bytes:
    """A whole number in 7 bits a byte, the lowest first."""
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _in_half_bytes(values: Sequence[int]) -> bytes:
    """Numbers in 3 bits a half byte, the lowest first; a 0 fills the last byte."""
    digits = []
    for value in values:
        while value > 7:
            digits.append(value & 7 | 8)
            value >>= 3
        digits.append(value)
    digits += [0] * (len(digits) % 2)
    return bytes(16 * a + b for a, b in zip(digits[::2], digits[1::2]))


def _checksum(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "big")

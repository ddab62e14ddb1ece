"""Numbers, names and labels as the bytes of a file, and back.

A varint is a whole number in 7 bits a byte, the lowest first.
"""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from agave_tf.codec.latent_code import MAX_BLOCKS
from agave_tf.errors import InputError, quoted

MAGIC = b"AG"
# Two numbers share a byte: one below 32, and one below 8.
LOW_BITS = 5
DAMAGED = "The file of coded images is damaged or incomplete"
SALVAGE = "--salvage (Codec.decode: `salvage`) decodes what is intact."
_HAS_NAMES, _HAS_LABELS, _IS_COMPRESSED = 1, 2, 4
# Names and labels of a file take no more, of some hundred thousand images; names half.
_MOST_NAME_BYTES = 2**26
# Characters of a name, as many as a path on Linux has bytes.
MOST_NAME = 4096
_MOST_COUNT_BITS = 8  # of a count of blocks
# A number in a file can be no larger.
_MOST = 1 << 48


def pack_names_and_labels(
    names: Sequence[str] | None, labels: np.ndarray | None
) -> tuple[int, bytes]:
    """The flags of names and labels, and their bytes; without either 0 and none."""
    flags, parts = 0, []
    if names is not None:
        flags |= _HAS_NAMES
        parts.append("\0".join(names).encode("utf-8", "surrogateescape"))
    if labels is not None:
        flags |= _HAS_LABELS
        # Labels are -1 or more.
        parts.append(b"".join(varint(int(label) + 1) for label in labels))
    if not flags:
        return 0, b""
    content = b"".join(varint(len(part)) + part for part in parts)
    compressed = zlib.compress(content, 9)
    if len(compressed) < len(content):
        flags, content = flags | _IS_COMPRESSED, compressed
    return flags, varint(len(content)) + content


def read_names_and_labels(
    flags: int, content: bytes, num_images: int
) -> tuple[list[str] | None, np.ndarray | None]:
    """Reads names and labels int32 [N], of which a file has one for each image.

    Raises:
      InputError: they are damaged, or of another number.
    """
    try:
        if flags & _IS_COMPRESSED:
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(content, _MOST_NAME_BYTES)
            if not unpacker.eof:
                raise InputError(f"{DAMAGED}: its names or labels are cut or too long.")
    except zlib.error as error:
        raise InputError(f"{DAMAGED}: its names or labels ({error}).") from error
    reader, names, labels = Reader(content, 0), None, None
    if flags & _HAS_NAMES:
        names = _names(reader.bytes(reader.varint()), num_images)
    if flags & _HAS_LABELS:
        labels = _labels(reader.bytes(reader.varint()), num_images)
    return names, labels


def _names(content: bytes, num_images: int) -> list[str]:
    count = content.count(b"\0") + 1
    if count != num_images:
        raise InputError(f"{DAMAGED}: {count} names of {num_images} images.")
    names = content.decode("utf-8", "surrogateescape").split("\0")
    check_names(names, f"{DAMAGED}: it must have names")
    return names


def check_names(names: Sequence[str], must: str) -> None:
    """Checks that a file can keep names, none of which is longer than a path can be.

    Args:
      names: the names.
      must: the beginning of the error's sentence.

    Raises:
      InputError: one is longer, or has no bytes or a 0; or all take too many bytes.
    """
    longest = max(map(len, names))
    if longest > MOST_NAME:
        raise InputError(f"{must} of at most {MOST_NAME} characters; got {longest}.")
    num_bytes = len(names)
    for name in names:
        try:
            num_bytes += len(name.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError as error:
            raise InputError(f"{must} of Unicode; got {quoted(name)}.") from error
        if "\0" in name:
            raise InputError(f"{must} without the character 0; got {quoted(name)}.")
    if num_bytes > _MOST_NAME_BYTES // 2:
        raise InputError(
            f"{must} of at most {_MOST_NAME_BYTES // 2} bytes in all; got {num_bytes}."
        )


def _labels(content: bytes, num_images: int) -> np.ndarray:
    count = sum(byte < 128 for byte in content)  # The last byte of each number.
    if count != num_images:
        raise InputError(f"{DAMAGED}: {count} labels of {num_images} images.")
    reader = Reader(content, 0)
    labels = np.array([reader.varint() - 1 for _ in range(num_images)])
    if labels.max() > np.iinfo(np.int32).max:
        raise InputError(f"{DAMAGED}: a label of {labels.max()}.")
    return labels.astype(np.int32)


class Reader:
    """Reads parts of the bytes of a file, one after the other."""

    def __init__(self, data: bytes, place: int):
        self._data, self.place = data, place

    @property
    def left(self) -> int:
        """The number of bytes that have not been read."""
        return len(self._data) - self.place

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
          InputError: there are fewer.
        """
        part = self._data[self.place : self.place + count]
        if len(part) < count:
            raise InputError(f"{DAMAGED}: it is cut off.")
        self.place += count
        return part

    def check_left(self, count: int) -> None:
        """Checks that as many bytes are left; raises InputError."""
        if count > self.left:
            raise InputError(f"{DAMAGED}: it ends in its header.")

    def byte(self) -> int:
        """The next byte."""
        return self.bytes(1)[0]

    def half_bytes(self, count: int) -> list[int]:
        """The numbers that `in_half_bytes` wrote."""
        digits, values = self._digits(), []
        for _ in range(count):
            value = shift = 0
            while (digit := next(digits)) & 8:
                value |= (digit & 7) << shift
                shift += 3
                if value > MAX_BLOCKS or shift > _MOST_COUNT_BITS:
                    raise InputError(f"{DAMAGED}: a count of its header is too large.")
            value |= digit << shift
            if value > MAX_BLOCKS:
                raise InputError(f"{DAMAGED}: a count of its header is too large.")
            values.append(value)
        return values

    def _digits(self) -> Iterator[int]:
        while True:
            yield from divmod(self.byte(), 16)

    def varint(self) -> int:
        """The number that `varint` wrote, below 2**48."""
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if value >= _MOST or shift > 56:
                raise InputError(f"{DAMAGED}: a number of its header is too large.")
            if byte < 128:
                return value


def varint(value: int) -> bytes:
    """A whole number in 7 bits a byte, the lowest first."""
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def in_half_bytes(values: Sequence[int]) -> bytes:
    """Numbers in 3 bits a half byte, the lowest first; a 0 fills the last byte."""
    digits = []
    for value in values:
        while value > 7:
            digits.append(value & 7 | 8)
            value >>= 3
        digits.append(value)
    digits += [0] * (len(digits) % 2)
    return bytes(16 * a + b for a, b in zip(digits[::2], digits[1::2]))

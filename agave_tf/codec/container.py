"""A file of pictures of any sizes: groups of pictures alike, each coded for itself.

    "AG"                       2 bytes
    format; flags              5 and 3 bits: has names, labels, is compressed
    number of pictures         a varint
    names, labels              length as a varint, then bytes; if there are any
    number of groups           a varint
    of every group:
      kind                     1 byte: is stored 1, gray 2, planes 4
      height, width            a varint each
      number of pictures       a varint
      their places             the first, then the distances, varints; if several groups
      length of its bytes      a varint
      CRC-32 of its pixels     4 bytes, if it is stored
    checksum of all this       2 bytes (CRC-16)
    bytes of every group       an archive (codec/archive.py), or the pixels as they are

A picture that the model would make larger is stored. A gray picture of a model of RGB
images is coded as the RGB picture that shows it; an RGB picture of a model of gray ones
as its three planes.
"""

import contextlib
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec import archive
from agave_tf.codec.packing import (
    DAMAGED,
    LOW_BITS,
    MAGIC,
    Reader,
    checksum,
    pack_names_and_labels,
    read_names_and_labels,
    varint,
)
from agave_tf.errors import InputError
from agave_tf.settings.image_size import MOST_PIXELS

FORMAT = 3
_IS_STORED, _IS_GRAY, _IS_PLANES = 1, 2, 4
# A coded level costs at least this part of a bit, because it leaves two slots of 2**20
# to each of the 255 others.
_LEAST_BITS = 0.0007
_MOST_PICTURES = 2**24


class Kind(NamedTuple):
    """What the pictures of a group have in common."""

    size: tuple[int, int]  # height and width
    is_stored: bool = False
    is_gray: bool = False  # gray pictures, of a model of RGB images
    is_planes: bool = False  # RGB pictures, of a model of gray images

    def num_channels(self, channels: int) -> int:
        """Channels of the pictures; `channels` are the model's."""
        return 1 if self.is_gray else 3 if self.is_planes else channels

    def to_model(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N,H,W,c] as the model takes them, [M,H,W,C]."""
        if self.is_gray:
            return np.repeat(pictures, 3, axis=-1)
        if self.is_planes:
            return np.moveaxis(pictures, -1, 1).reshape(-1, *self.size, 1)
        return pictures

    def from_model(self, images: np.ndarray) -> np.ndarray:
        """The pictures that `to_model` was given."""
        if self.is_gray:
            return images[..., :1]
        if self.is_planes:
            return np.moveaxis(images.reshape(-1, 3, *self.size), 1, -1)
        return images


class Group(NamedTuple):
    """Some of the pictures, and their bytes."""

    kind: Kind
    places: np.ndarray  # int64 [n], among all pictures, rising
    content: bytes

    def pixels(self, channels: int) -> np.ndarray:
        """The pictures of a stored group, uint8 [n,H,W,c]; `channels` of the model."""
        shape = (-1, *self.kind.size, self.kind.num_channels(channels))
        return np.frombuffer(self.content, np.uint8).reshape(shape)


class Container(NamedTuple):
    """The content of a file."""

    num_images: int
    groups: list[Group]
    names: Sequence[str] | None
    labels: np.ndarray | None  # int32 [N]

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        flags, names_and_labels = pack_names_and_labels(self.names, self.labels)
        head = [
            MAGIC + bytes([FORMAT | flags << LOW_BITS]),
            varint(self.num_images),
            names_and_labels,
            varint(len(self.groups)),
        ]
        for kind, places, content in self.groups:
            bits = (kind.is_stored, kind.is_gray, kind.is_planes)
            head.append(bytes([sum(bit << i for i, bit in enumerate(bits))]))
            head += [varint(number) for number in (*kind.size, len(places))]
            if len(self.groups) > 1:
                gaps = np.diff(places, prepend=0)
                head += [varint(int(gap)) for gap in gaps]
            head.append(varint(len(content)))
            if kind.is_stored:
                head.append(zlib.crc32(content).to_bytes(4, "big"))
        data = b"".join(head)
        contents = (group.content for group in self.groups)
        return data + checksum(data) + b"".join(contents)


def is_container(data: bytes) -> bool:
    """Returns whether a file is of this format."""
    start = len(MAGIC)
    return (
        data[:start] == MAGIC
        and data[start : start + 1] != b""
        and (data[start] % (1 << LOW_BITS) == FORMAT)
    )


def container_of(data: bytes, channels: int) -> Container:
    """Reads the bytes of a file; no number in it takes memory that it has no bytes for.

    Args:
      data: the file, for which `is_container` holds.
      channels: of the model's images.

    Raises:
      InputError: the file is damaged.
    """
    reader = Reader(data, len(MAGIC))
    flags = reader.byte() >> LOW_BITS
    num_images = reader.varint()
    names_and_labels = reader.bytes(reader.varint()) if flags else b""
    num_groups = reader.varint()
    heads = []
    for _ in range(num_groups):
        heads.append(_read_head(reader, num_images, num_groups > 1, channels))
    end = reader.place
    if reader.bytes(2) != checksum(data[:end]):
        raise InputError(f"{DAMAGED}: the checksum of its header is another.")
    groups = [
        Group(head.kind, head.places, _read_content(reader, head, channels))
        for head in heads
    ]
    places = np.concatenate([group.places for group in groups] or [np.zeros(0)])
    if reader.place != len(data) or not 1 <= num_images == len(places):
        raise InputError(f"{DAMAGED}: its groups are not all of it.")
    if not np.array_equal(np.sort(places), np.arange(num_images)):
        raise InputError(f"{DAMAGED}: a picture is in two groups.")
    names, labels = read_names_and_labels(flags, names_and_labels, num_images)
    return Container(num_images, groups, names, labels)


def num_stored(data: bytes, channels: int) -> int:
    """The number of pictures that a file stores as they are.

    Args:
      data: the file, of this format or another.
      channels: of the model's images.
    """
    if not is_container(data):
        return 0
    groups = container_of(data, channels).groups
    return sum(len(group.places) for group in groups if group.kind.is_stored)


def num_threads_of(data: bytes) -> int:
    """The threads with which a file must be decoded, as `archive.num_threads_of`."""
    if not is_container(data):
        return archive.num_threads_of(data)
    for channels in (3, 1):  # The model is not known yet.
        with contextlib.suppress(InputError):
            for group in container_of(data, channels).groups:
                if not group.kind.is_stored:
                    return archive.num_threads_of(group.content)
    return 1


class _Head(NamedTuple):
    """What the header says of a group."""

    kind: Kind
    places: np.ndarray
    length: int  # bytes of its content
    crc32: bytes  # of a stored group


def _read_head(
    reader: Reader, num_images: int, has_places: bool, channels: int
) -> _Head:
    bits = reader.byte()
    height, width, count = reader.varint(), reader.varint(), reader.varint()
    kind = Kind((height, width), *(bool(bits & bit) for bit in (1, 2, 4)))
    fits = {_IS_GRAY: channels == 3, _IS_PLANES: channels == 1, 0: True}
    if bits > 7 or not fits.get(bits & ~_IS_STORED, False):
        raise InputError(f"{DAMAGED}: a group of unknown kind {bits}.")
    if not (1 <= height <= MOST_PIXELS and 1 <= width <= MOST_PIXELS):
        raise InputError(f"{DAMAGED}: pictures of {height}x{width}.")
    # Where there are several groups, every place takes a byte; otherwise the length of
    # the content bounds the number.
    gaps = [reader.varint() for _ in range(count)] if has_places else []
    length = reader.varint()
    num_levels = count * height * width * kind.num_channels(channels)
    most = length if kind.is_stored else 8 * length / _LEAST_BITS
    is_enough = num_levels == length if kind.is_stored else num_levels <= most
    is_possible = 1 <= count <= min(num_images, _MOST_PICTURES)
    if not is_possible or not is_enough or length > reader.left:
        raise InputError(
            f"{DAMAGED}: {length} bytes of {count} pictures {height}x{width}."
        )
    places = np.cumsum(gaps) if has_places else np.arange(count)
    return _Head(kind, places, length, reader.bytes(4) if kind.is_stored else b"")


def _read_content(reader: Reader, head: _Head, channels: int) -> bytes:
    content = reader.bytes(head.length)
    if head.kind.is_stored and zlib.crc32(content).to_bytes(4, "big") != head.crc32:
        raise InputError(f"{DAMAGED}: the checksum of stored pictures is another.")
    return content

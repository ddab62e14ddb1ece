"""Writes and reads the bytes of a file of coded images.

    "AG"                     2 bytes
    format; flags            5 and 3 bits: has names, labels, is compressed
    weights                  1 byte, of their fingerprint
    digest                   3 bytes: of the fingerprint, the header but for these, and
                             the latents of all images
    names, labels            length as a varint, then bytes; if there are any
    groups, of pictures that are alike, of each:
      kind                   1 byte, the bits below
      height, width          a varint each, if they are not the model's
      number of pictures     a varint, if it is not 1
      their places           the first, then the distances, varints; if several groups
    and of a coded one:
      bits of an index       1 byte, if the model has z and they are not 12
      least count of blocks  by level, in half bytes, as varints of 3 bits
      most - least           by level, the same, if any is not 0
      number of lanes        a varint, if there are several pictures
      length of streams      a varint each, but for the last one of the file
    streams                  of every group

A picture that the model would make larger is stored. A gray picture of a model of RGB
images is coded as the RGB picture that shows it; an RGB picture of a model of gray ones
as its three planes. Image i of a group is in lane i modulo the number of lanes, each of
which has a stream. A stream holds the latents of all its images, and then their pixels,
so a preview needs its first bytes alone. The stream of a stored group is the CRC-32 of
its pixels, 4 bytes, and the pixels.

Digest and keys are of the bytes of the header as they stand in the file, because
another zlib would pack the same names in other bytes. A stream has a key of its own, so
none can be read, and no stored pixels are taken for intact, with another header.

Every number is bounded before anything is made of its size.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec.entropy_coder import CHECKSUM_MASK
from agave_tf.codec.latent_code import CountRange
from agave_tf.codec.packing import (
    DAMAGED,
    LOW_BITS,
    MAGIC,
    Reader,
    in_half_bytes,
    pack_names_and_labels,
    read_names_and_labels,
    varint,
)
from agave_tf.errors import InputError
from agave_tf.settings.image_size import MOST_PIXELS

FORMAT = 4
WEIGHTS_BYTES, _DIGEST_BYTES = 1, 3
_BEFORE_WEIGHTS = len(MAGIC) + 1
CRC_BYTES = 4
_STORED, _GRAY, _PLANES, _OTHER_SIZE = 1, 2, 4, 8
_SEVERAL, _VARIED, _NOT_LAST, _USUAL_INDICES = 16, 32, 64, 128
_USUAL_INDEX_BITS = 12  # the default of CodecSettings
MOST_PICTURES = 2**24
_MOST_LANES = 2**16
_MOST_INDEX_BITS = 16
# A coded level costs at least this part of a bit, because it leaves a slot of 2**20 to
# each of the 255 others.
_LEAST_BITS = 0.00035
_LEAST_STREAM = 4  # bytes


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

    @property
    def images_each(self) -> int:
        """Images of the model that a picture becomes."""
        return 3 if self.is_planes else 1


class Group(NamedTuple):
    """What the header says of pictures alike."""

    kind: Kind
    places: Sequence[int]  # among all pictures, rising
    # Of the streams; a stored group has one. A last one of 0 reaches to the end of the
    # file.
    lengths: list[int]
    index_bits: int = 0  # 0 without z
    ranges: list[CountRange] = []

    @property
    def num_images(self) -> int:
        """Images of the model in the group."""
        return len(self.places) * self.kind.images_each


class Header(NamedTuple):
    """The header of a file, but for weights and digest."""

    groups: list[Group]
    names: Sequence[str] | None
    labels: np.ndarray | None  # int32 [N]

    @property
    def num_pictures(self) -> int:
        """Pictures of all groups."""
        return sum(len(group.places) for group in self.groups)

    def to_bytes(self, own_size: tuple[int, int]) -> bytes:
        """The bytes before weights and digest, and those after.

        Args:
          own_size: (H,W) of the model's images.
        """
        flags, names_and_labels = pack_names_and_labels(self.names, self.labels)
        parts = [MAGIC + bytes([FORMAT | flags << LOW_BITS]), names_and_labels]
        for number, group in enumerate(self.groups):
            is_last = number == len(self.groups) - 1
            parts += _group_bytes(group, own_size, number > 0, is_last)
        return b"".join(parts)


def keys_of(header: Header, content: bytes, weights: bytes) -> list[list[int]]:
    """The keys of the streams of all groups.

    Args:
      header: the header of a file.
      content: its bytes, without weights and digest.
      weights: the fingerprint of the weights.
    """
    known = hashlib.sha256(weights + content).digest()
    return [
        [_key(known, number, lane) for lane in range(len(group.lengths))]
        for number, group in enumerate(header.groups)
    ]


def _key(known: bytes, group: int, lane: int) -> int:
    found = hashlib.sha256(known + varint(group) + varint(lane)).digest()
    return int.from_bytes(found[:4], "big") & CHECKSUM_MASK


def _group_bytes(
    group: Group, own_size: tuple[int, int], has_earlier: bool, is_last: bool
) -> list[bytes]:
    kind, count = group.kind, len(group.places)
    varied = any(most > least for least, most in group.ranges)
    bits = {
        _STORED: kind.is_stored,
        _GRAY: kind.is_gray,
        _PLANES: kind.is_planes,
        _OTHER_SIZE: kind.size != own_size,
        _SEVERAL: count > 1,
        _VARIED: varied,
        _NOT_LAST: not is_last,
        _USUAL_INDICES: group.index_bits == _USUAL_INDEX_BITS,
    }
    parts = [bytes([sum(bit for bit, is_set in bits.items() if is_set)])]
    if kind.size != own_size:
        parts += map(varint, kind.size)
    if count > 1:
        parts.append(varint(count))
    if has_earlier or not is_last:
        parts += [varint(int(gap)) for gap in np.diff(group.places, prepend=0)]
    if kind.is_stored:
        return parts
    if group.index_bits:
        counts = [least for least, _ in group.ranges]
        if varied:
            counts += [most - least for least, most in group.ranges]
        if group.index_bits != _USUAL_INDEX_BITS:
            parts.append(bytes([group.index_bits]))
        parts.append(in_half_bytes(counts))
    if group.num_images > 1:
        parts.append(varint(len(group.lengths)))
    lengths = group.lengths[: len(group.lengths) - is_last]
    return parts + [varint(length) for length in lengths]


class CodedFile(NamedTuple):
    """The content of a file."""

    header: Header
    content: bytes  # of the header, without weights and digest
    weights: bytes  # 1 byte
    digest: bytes  # 3 bytes
    streams: list[list[bytes]]  # of every group

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        first, rest = self.content[:_BEFORE_WEIGHTS], self.content[_BEFORE_WEIGHTS:]
        streams = (stream for group in self.streams for stream in group)
        return b"".join([first, self.weights, self.digest, rest, *streams])


def digest_of(content: bytes, weights: bytes, latents: Iterable[bytes]) -> bytes:
    """The digest of a file, 3 bytes.

    Args:
      content: the bytes of its header, without weights and digest.
      weights: the fingerprint of the weights.
      latents: of all images, one after the other; there may be millions.
    """
    digest = hashlib.sha256(hashlib.sha256(weights + content).digest())
    for part in latents:
        digest.update(part)
    return digest.digest()[:_DIGEST_BYTES]


def file_of(
    data: bytes, image_shape: tuple[int, int, int], num_levels: int, salvages: bool
) -> CodedFile:
    """Reads the bytes of a file.

    Args:
      data: the file.
      image_shape: (H,W,C) of the model's images.
      num_levels: levels of z of the model.
      salvages: whether streams may be missing at the end.

    Raises:
      InputError: not such a file, one of another format, or a damaged one.
    """
    flags = _flags(data)
    reader = Reader(data, _BEFORE_WEIGHTS)
    weights, digest = reader.bytes(WEIGHTS_BYTES), reader.bytes(_DIGEST_BYTES)
    begin = reader.place
    names_and_labels = reader.bytes(reader.varint()) if flags else b""
    groups: list[Group] = []
    while True:
        group, is_last = _read_group(reader, image_shape, num_levels, bool(groups))
        groups.append(group)
        if is_last:
            break
    if len(groups) > 1:
        _check_places(groups)
    count = sum(len(group.places) for group in groups)
    if count > MOST_PICTURES:
        raise InputError(f"{DAMAGED}: {count} pictures.")
    content = data[:_BEFORE_WEIGHTS] + data[begin : reader.place]
    streams = _read_streams(reader, groups, salvages)
    for group, own in zip(groups, streams, strict=True):
        num_bytes = sum(map(len, own))
        if not (salvages or is_possible(group, image_shape[-1], num_bytes)):
            raise InputError(
                f"{DAMAGED}: {num_bytes} bytes of {len(group.places)} pictures "
                f"{group.kind.size[0]}x{group.kind.size[1]}."
            )
    names, labels = read_names_and_labels(flags, names_and_labels, count)
    header = Header(groups, names, labels)
    return CodedFile(header, content, weights, digest, streams)


def num_stored(data: bytes, image_shape: tuple[int, int, int], num_levels: int) -> int:
    """The number of pictures that a file stores as they are; arguments as `file_of`."""
    groups = file_of(data, image_shape, num_levels, False).header.groups
    return sum(len(group.places) for group in groups if group.kind.is_stored)


def _flags(data: bytes) -> int:
    """The flags of a file of this format.

    Raises:
      InputError: it is of another one.
    """
    if data[: len(MAGIC)] != MAGIC or len(data) == len(MAGIC):
        raise InputError(
            "The file must be one of coded images, which begins with "
            f"{MAGIC.decode()}; got one that begins with {data[:2]!r}."
        )
    flags, version = divmod(data[len(MAGIC)], 1 << LOW_BITS)
    if version != FORMAT:
        raise InputError(
            f"The file must be of format {FORMAT}, which this version of agave_tf "
            f"reads; got format {version}. Formats 2 and 3 decode with the version "
            "that made them."
        )
    return flags


def _read_group(
    reader: Reader,
    image_shape: tuple[int, int, int],
    num_levels: int,
    has_earlier: bool,
) -> tuple[Group, bool]:
    """Reads a group, and whether it is the last one."""
    bits, channels = reader.byte(), image_shape[-1]
    is_last = not bits & _NOT_LAST
    size = (image_shape[0], image_shape[1])
    if bits & _OTHER_SIZE:
        size = (reader.varint(), reader.varint())
    kind = Kind(size, *(bool(bits & bit) for bit in (_STORED, _GRAY, _PLANES)))
    fits = {_GRAY: channels == 3, _PLANES: channels == 1, 0: True}
    has_latents = num_levels > 0 and not kind.is_stored
    is_known = has_latents or not bits & (_VARIED | _USUAL_INDICES)
    if not is_known or not fits.get(bits & (_GRAY | _PLANES), False):
        raise InputError(f"{DAMAGED}: a group of unknown kind {bits}.")
    if not all(1 <= side <= MOST_PIXELS for side in size):
        raise InputError(f"{DAMAGED}: pictures of {size[0]}x{size[1]}.")
    count = reader.varint() if bits & _SEVERAL else 1
    if not 1 <= count <= MOST_PICTURES:
        raise InputError(f"{DAMAGED}: {count} pictures in a group.")
    places: Sequence[int] = range(count)
    if has_earlier or not is_last:
        # Each takes a byte, so their number is bounded by the file.
        reader.check_left(count)
        places = np.cumsum([reader.varint() for _ in range(count)]).tolist()
    if kind.is_stored:
        length = count * size[0] * size[1] * kind.num_channels(channels)
        return Group(kind, places, [CRC_BYTES + length]), is_last
    index_bits, ranges = 0, []
    if num_levels:
        is_usual = bool(bits & _USUAL_INDICES)
        index_bits = _USUAL_INDEX_BITS if is_usual else reader.byte()
        if not 1 <= index_bits <= _MOST_INDEX_BITS:
            raise InputError(f"{DAMAGED}: indices of {index_bits} bits.")
        is_varied = bool(bits & _VARIED)
        counts = reader.half_bytes(num_levels * (2 if is_varied else 1))
        more = counts[num_levels:] or [0] * num_levels
        ranges = [CountRange(a, a + b) for a, b in zip(counts, more)]
    num_images = count * kind.images_each
    num_lanes = reader.varint() if num_images > 1 else 1
    if not 1 <= num_lanes <= min(num_images, _MOST_LANES):
        raise InputError(f"{DAMAGED}: {num_lanes} lanes of {num_images} images.")
    reader.check_left(num_lanes * _LEAST_STREAM)
    lengths = [reader.varint() for _ in range(num_lanes - is_last)]
    return Group(kind, places, lengths + [0] * is_last, index_bits, ranges), is_last


def _check_places(groups: list[Group]) -> None:
    places = np.sort(np.concatenate([group.places for group in groups]))
    if not np.array_equal(places, np.arange(len(places))):
        raise InputError(f"{DAMAGED}: a picture is in two groups.")


def _read_streams(
    reader: Reader, groups: list[Group], salvages: bool
) -> list[list[bytes]]:
    """The streams of every group; what is missing at the end of them is left out."""
    streams: list[list[bytes]] = []
    for group in groups:
        is_open = group is groups[-1] and not group.kind.is_stored
        own = [
            reader.bytes(min(length, reader.left) if salvages else length)
            for length in group.lengths[: len(group.lengths) - is_open]
        ]
        if is_open:
            own.append(reader.bytes(reader.left))
        streams.append(own)
    if reader.left:
        raise InputError(f"{DAMAGED}: {reader.left} bytes are behind its end.")
    return streams


def is_possible(group: Group, channels: int, num_bytes: int) -> bool:
    """Whether so few bytes can hold the pictures of a coded group.

    Args:
      group: the group; if it is stored, its length is known to be right.
      channels: of the model's images.
      num_bytes: of all its streams.
    """
    height, width = group.kind.size
    num_levels = group.num_images * height * width * channels
    return group.kind.is_stored or num_levels * _LEAST_BITS <= 8 * num_bytes


def stored_stream(pixels: bytes, key: int) -> bytes:
    """The stream of a stored group."""
    return (zlib.crc32(pixels) ^ key).to_bytes(CRC_BYTES, "big") + pixels


def stored_pixels(stream: bytes, key: int) -> bytes | None:
    """The pixels in the stream of a stored group; None: they are damaged."""
    pixels = stream[CRC_BYTES:]
    return pixels if stored_stream(pixels, key) == stream else None

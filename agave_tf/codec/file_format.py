"""The bytes of a file of coded images; read_file.py reads them.

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
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from agave_tf.codec.entropy_coder import CHECKSUM_MASK
from agave_tf.codec.latent_code import CountRange
from agave_tf.codec.packing import (
    LOW_BITS,
    MAGIC,
    in_half_bytes,
    pack_names_and_labels,
    varint,
)

FORMAT = 4
WEIGHTS_BYTES, DIGEST_BYTES = 1, 3
BEFORE_WEIGHTS = len(MAGIC) + 1
CRC_BYTES = 4
STORED, GRAY, PLANES, OTHER_SIZE = 1, 2, 4, 8
SEVERAL, VARIED, NOT_LAST, USUAL_INDICES = 16, 32, 64, 128
USUAL_INDEX_BITS = 12  # the default of CodecSettings
MOST_PICTURES = 2**24


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
        STORED: kind.is_stored,
        GRAY: kind.is_gray,
        PLANES: kind.is_planes,
        OTHER_SIZE: kind.size != own_size,
        SEVERAL: count > 1,
        VARIED: varied,
        NOT_LAST: not is_last,
        USUAL_INDICES: group.index_bits == USUAL_INDEX_BITS,
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
        if group.index_bits != USUAL_INDEX_BITS:
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
        first, rest = self.content[:BEFORE_WEIGHTS], self.content[BEFORE_WEIGHTS:]
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
    return digest.digest()[:DIGEST_BYTES]


def stored_stream(pixels: bytes, key: int) -> bytes:
    """The stream of a stored group."""
    return (zlib.crc32(pixels) ^ key).to_bytes(CRC_BYTES, "big") + pixels

"""Reads the bytes of a file of coded images, which may be a stranger's.

Every number is bounded before anything is made of its size.
"""

from collections.abc import Sequence

import numpy as np

from agave_tf.codec.file_format import (
    BEFORE_WEIGHTS,
    CRC_BYTES,
    DIGEST_BYTES,
    FORMAT,
    GRAY,
    MOST_PICTURES,
    NOT_LAST,
    OTHER_SIZE,
    PLANES,
    SEVERAL,
    STORED,
    USUAL_INDEX_BITS,
    USUAL_INDICES,
    VARIED,
    WEIGHTS_BYTES,
    CodedFile,
    Group,
    Header,
    Kind,
    stored_stream,
)
from agave_tf.codec.latent_code import CountRange
from agave_tf.codec.packing import (
    DAMAGED,
    LOW_BITS,
    MAGIC,
    Reader,
    read_names_and_labels,
)
from agave_tf.errors import InputError
from agave_tf.settings.image_size import MOST_PIXELS

_MOST_LANES = 2**16
_MOST_INDEX_BITS = 16
# A coded level costs at least this part of a bit, because it leaves a slot of 2**20 to
# each of the 255 others.
_LEAST_BITS = 0.00035
_LEAST_STREAM = 4  # bytes


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
    reader = Reader(data, BEFORE_WEIGHTS)
    weights, digest = reader.bytes(WEIGHTS_BYTES), reader.bytes(DIGEST_BYTES)
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
    content = data[:BEFORE_WEIGHTS] + data[begin : reader.place]
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
    is_last = not bits & NOT_LAST
    size = (image_shape[0], image_shape[1])
    if bits & OTHER_SIZE:
        size = (reader.varint(), reader.varint())
    kind = Kind(size, *(bool(bits & bit) for bit in (STORED, GRAY, PLANES)))
    fits = {GRAY: channels == 3, PLANES: channels == 1, 0: True}
    has_latents = num_levels > 0 and not kind.is_stored
    is_known = has_latents or not bits & (VARIED | USUAL_INDICES)
    if not is_known or not fits.get(bits & (GRAY | PLANES), False):
        raise InputError(f"{DAMAGED}: a group of unknown kind {bits}.")
    if not all(1 <= side <= MOST_PIXELS for side in size):
        raise InputError(f"{DAMAGED}: pictures of {size[0]}x{size[1]}.")
    count = reader.varint() if bits & SEVERAL else 1
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
        is_usual = bool(bits & USUAL_INDICES)
        index_bits = USUAL_INDEX_BITS if is_usual else reader.byte()
        if not 1 <= index_bits <= _MOST_INDEX_BITS:
            raise InputError(f"{DAMAGED}: indices of {index_bits} bits.")
        is_varied = bool(bits & VARIED)
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


def stored_pixels(stream: bytes, key: int) -> bytes | None:
    """The pixels in the stream of a stored group; None: they are damaged."""
    pixels = stream[CRC_BYTES:]
    return pixels if stored_stream(pixels, key) == stream else None

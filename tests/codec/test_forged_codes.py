"""Forged files are refused at once: no number alone takes memory or time."""

import time
import tracemalloc
import zlib

import numpy as np
import pytest
from coding_models import gray_codec, gray_model

from agave_tf.codec import one_size
from agave_tf.codec.file_format import FORMAT, digest_of
from agave_tf.codec.latent_code import code_bytes
from agave_tf.codec.packing import LOW_BITS, MAGIC, varint
from agave_tf.codec.read_file import file_of
from agave_tf.errors import InputError
from agave_tf.models.pixel_cnn_model import PixelCNNModel

# Bits of a group's kind, as file_format.py lists them.
STORED, OTHER_SIZE, SEVERAL, VARIED, NOT_LAST = 1, 8, 16, 32, 64
NAMES, LABELS, COMPRESSED = 1, 2, 4
MEGABYTE = 2**20
# Latents of no blocks, with indices of 12 bits.
NO_BLOCKS = bytes([12, 0])
ONE_STORED = bytes([STORED])


@pytest.fixture(scope="module")
def codec():
    return gray_codec()


@pytest.fixture(scope="module")
def codec_without_z():
    return gray_codec(gray_model(kind=PixelCNNModel))


def forged(codec, *parts: bytes, flags=0, names_and_labels=b"") -> bytes:
    """A file for the codec's model, of a header and what follows."""
    head = MAGIC + bytes([FORMAT | flags << LOW_BITS]) + codec._weights[:1] + b"\0\0\0"
    packed = varint(len(names_and_labels)) + names_and_labels if flags else b""
    return b"".join([head, packed, *parts])


def sealed(codec, data: bytes) -> bytes:
    """The same file with the right digest, if its latents have no blocks."""
    num_levels = len(codec.model.latent_shapes)
    file = file_of(data, codec.model.image_shape, num_levels, False)
    latents = (
        code_bytes(code)
        for group in file.header.groups
        for code in [
            [[[]] * regions for regions in codec._sized(group.kind.size).num_regions]
        ]
        * group.num_images
    )
    digest = digest_of(file.content, codec._weights, latents)
    return file._replace(digest=digest).to_bytes()


def refused(decode, data: bytes, megabytes=64, seconds=5) -> str:
    """The message of a refusal that takes no more memory and time than these."""
    begin = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as error:
            decode(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < megabytes * MEGABYTE
    assert time.monotonic() - begin < seconds
    message = str(error.value)
    assert len(message) < 500 and "\n" not in message
    return message


def count(number: int) -> bytes:
    return bytes([SEVERAL]) + varint(number)


def size(height: int, width: int, kind=0) -> bytes:
    return bytes([kind | OTHER_SIZE]) + varint(height) + varint(width)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([count(2**40), NO_BLOCKS, bytes(99)], "1099511627776 pictures in a group"),
        ([count(0), NO_BLOCKS, bytes(99)], " 0 pictures in a group"),
        ([b"\0", bytes([24, 0]), bytes(99)], "indices of 24 bits"),
        ([b"\0", bytes([31, 0]), bytes(99)], "indices of 31 bits"),
        ([b"\0", bytes([0, 0]), bytes(99)], "indices of 0 bits"),
        ([b"\0", bytes([12]), b"\xff" * 2**19], "a count of its header is too large"),
        ([b"\0", bytes([12]), b"\x88\x40"], "a count of its header is too large"),
        ([b"\0", b"\xff" * 2**19], "indices of 255 bits"),
        ([bytes([SEVERAL]), b"\xff" * 2**19], "a number of its header is too large"),
        ([b"\x81" * 2**19], "a group of unknown kind 129"),
        ([size(2**20, 2**20), NO_BLOCKS, bytes(99)], "pictures of 1048576x1048576"),
        ([size(2**20, 1, STORED), bytes(99)], "pictures of 1048576x1"),
        ([size(2048, 2048, STORED), bytes(99)], "it is cut off"),
        ([size(0, 4), NO_BLOCKS, bytes(99)], "pictures of 0x4"),
        # More pictures than 99 bytes can hold.
        ([count(2**24), NO_BLOCKS, b"\1", bytes(99)], "99 bytes of 16777216 pictures"),
        ([size(2048, 2048), NO_BLOCKS, bytes(99)], "99 bytes of 1 pictures 2048x2048"),
        ([count(2**24), NO_BLOCKS, varint(2**17), bytes(2**20)], "131072 lanes"),
        ([count(2), NO_BLOCKS, b"\3", bytes(99)], "3 lanes of 2 images"),
        ([count(2**24), NO_BLOCKS, varint(2**16), bytes(99)], "ends in its header"),
        ([count(2), NO_BLOCKS, b"\2", varint(2**40), bytes(99)], "it is cut off"),
        (
            [bytes([SEVERAL | NOT_LAST]) + varint(2**24), bytes(99)],
            "ends in its header",
        ),
        # Two groups of one stored picture each, of which both are the first.
        (
            [bytes([STORED | NOT_LAST, 0, STORED, 0]), bytes(2 * 52)],
            "a picture is in two groups",
        ),
        ([bytes([STORED | NOT_LAST, 0]) * 2**14], "it is cut off"),
        ([ONE_STORED, bytes(53)], "1 bytes are behind its end"),
        ([bytes([STORED | 2 | 4]), bytes(99)], "unknown kind"),
        ([b""], "it is cut off"),
    ],
)
def test_forged_numbers_are_refused(codec, parts, message):
    data = forged(codec, *parts)
    with pytest.raises(InputError, match=message):
        codec.decode(data)
    refused(codec.decode, data)
    refused(codec.preview, data)


def with_names(names: bytes) -> tuple[int, bytes]:
    return NAMES | COMPRESSED, zlib.compress(varint(len(names)) + names)


@pytest.mark.parametrize("labels", [2**31, 2**47])
def test_labels_of_more_bits_are_refused(codec, labels):
    content = varint(labels + 1)
    data = forged(
        codec,
        ONE_STORED,
        bytes(52),
        flags=LABELS,
        names_and_labels=varint(len(content)) + content,
    )
    assert f"a label of {labels}" in refused(codec.decode, data)


def test_a_bomb_of_names_is_refused(codec):
    """A gigabyte of them, in a megabyte."""
    packer = zlib.compressobj(9)
    packed = packer.compress(varint(2**30))
    packed += b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(2**10))
    packed += packer.flush()
    assert len(packed) < 1.1 * MEGABYTE
    data = forged(
        codec,
        ONE_STORED,
        bytes(52),
        flags=NAMES | COMPRESSED,
        names_and_labels=packed,
    )
    assert "cut or too long" in refused(codec.decode, data, megabytes=160)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (b"a" * 2**22, "at most 4096 characters; got 4194304"),
        (b"\0" * 2**22, "4194305 names of 1 images"),
    ],
)
def test_forged_names_are_refused(codec, names, message):
    flags, packed = with_names(names)
    data = forged(codec, ONE_STORED, bytes(52), flags=flags, names_and_labels=packed)
    assert message in refused(codec.decode, data)


def test_names_that_are_cut_or_no_zlib_are_refused(codec):
    flags, packed = with_names(b"a" * 1000)
    for names in (packed[:-1], packed[:-9], b"\1" * 9):
        data = forged(codec, ONE_STORED, bytes(52), flags=flags, names_and_labels=names)
        assert "its names or labels" in refused(codec.decode, data)


def test_many_lanes_of_which_one_is_long_are_refused(codec):
    num_lanes = 20_000
    lengths = varint(4) * (num_lanes - 1)
    streams = bytes(range(4)) * (num_lanes - 1) + bytes(400_000)
    data = forged(
        codec, count(num_lanes), NO_BLOCKS, varint(num_lanes), lengths, streams
    )
    assert len(data) < 510_000
    assert "the digest" in refused(codec.decode, data, seconds=10)
    assert "the digest" in refused(codec.preview, data, seconds=10)


def test_the_end_of_a_stream_is_noticed_before_all_its_images_are_decoded(
    codec_without_z, monkeypatch
):
    """2**17 images in a stream that two fill; each would take milliseconds."""
    codec, num_images = codec_without_z, 2**17
    rng = np.random.default_rng(0)
    stream = b"\1" + rng.bytes(num_images * 48 * 35 // 800_000 + 99)
    data = forged(codec, count(num_images), b"\1", stream)
    batches = []
    pop_images = one_size.pop_images

    def counted(*args):
        batches.append(1)
        return pop_images(*args)

    monkeypatch.setattr(one_size, "pop_images", counted)
    data = sealed(codec, data)
    message = refused(codec.decode, data, seconds=90)
    assert "a stream ends before its last image" in message
    assert 2 <= len(batches) < 200
    batches.clear()
    most = 4 * num_images * 48 / MEGABYTE
    message = refused(lambda data: codec.decode(data, True), data, most, 10)
    assert f"none of its {num_images} pictures is intact" in message
    assert len(batches) < 200


def test_what_is_lost_takes_no_memory(codec):
    """2**24 stored pictures of 12 MB each, of which nothing came."""
    forged_ones = size(2048, 2048, STORED | SEVERAL) + varint(2**20)
    data = forged(codec, forged_ones, bytes(99))
    message = refused(lambda data: codec.decode(data, True), data, 64)
    assert "none of its 1048576 pictures is intact" in message


def test_latents_that_a_stream_ends_in_are_refused(codec):
    """Blocks of all regions, in a few bytes."""
    data = forged(codec, b"\0", bytes([16]), b"\xff\x3f\xf3", bytes(99))
    assert "ends in its latents" in refused(codec.decode, data)


def test_a_file_without_the_labels_that_the_model_takes_is_refused():
    """It ended in a traceback where it was salvaged, which does not need the digest."""
    codec = gray_codec(gray_model(num_classes=3))
    data = forged(codec, b"\0", NO_BLOCKS, bytes(range(1, 99)))
    for found in (data, sealed(codec, data)):
        for salvage in (False, True):
            message = refused(lambda d, s=salvage: codec.decode(d, s), found)
            assert "digest" in message or "num_classes" in message


def test_other_formats_are_named(codec):
    for version in (2, 3):
        data = forged(codec, ONE_STORED, bytes(52))
        data = data[:2] + bytes([version | 7 << LOW_BITS]) + data[3:]
        message = refused(codec.decode, data)
        assert f"must be of format {FORMAT}, " in message
        assert f"got format {version}." in message and "Formats 2 and 3" in message
        assert message == refused(codec.preview, data)


@pytest.mark.parametrize("data", [b"", b"A", b"AG", b"PNG" + bytes(99)])
def test_files_of_another_kind_are_named(codec, data):
    assert "which begins with AG" in refused(codec.decode, data)

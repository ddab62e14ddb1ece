"""Pictures of any sizes, gray or RGB, in one file; those that do not pay are stored."""

import numpy as np
import pytest
from agave_tf.codec.container import (
    Container,
    Group,
    Kind,
    container_of,
    is_container,
    num_stored,
)
from broad_pixels import model_of_gray_pixels
from tiny import tiny_images

from agave_tf.codec.codec import Codec
from agave_tf.codec.packing import MAGIC, checksum, varint
from agave_tf.errors import InputError
from agave_tf.settings.coding import CodecSettings

SETTINGS = CodecSettings(lanes=4, index_bits=6, block_bits=6)
# Padded to multiples of 4.
NETWORK = {"num_resolutions": 2}


@pytest.fixture(scope="module")
def agave():
    return model_of_gray_pixels(images=tiny_images(16, size=16), **NETWORK)


def smooth(size, channels=3, seed=0):
    """A picture of about the gray that the models expect."""
    level = np.random.default_rng(seed).integers(120, 136, (*size, 1))
    return np.repeat(level, channels, -1).astype(np.uint8)


def noise(size, channels=3):
    return np.random.default_rng(9).integers(0, 256, (*size, channels), np.uint8)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_sizes_and_colours_come_back_in_their_order(agave):
    pictures = [
        smooth((13, 7)),
        smooth((16, 8), seed=1),
        smooth((13, 7), channels=1),
        smooth((13, 7), seed=2),
        noise((1, 1)),
    ]
    labels, names = [3, -1, 0, 2, 1], ["a", "b,\n", "c", "d", "e"]
    data = Codec(agave, SETTINGS).encode(pictures, labels, names)
    assert is_container(data)
    # 1x1, and the gray one, of which this model says the same three times.
    assert num_stored(data, 3) == 2
    decoded = Codec(agave, SETTINGS).decode(data)
    assert_same(decoded.images, pictures)
    assert (decoded.labels.tolist(), decoded.names) == (labels, names)
    previews = Codec(agave, SETTINGS).preview(data).images
    assert [p.shape for p in previews] == [p.shape for p in pictures]


def test_one_size_that_needs_padding_is_an_array_again(agave):
    pictures = np.stack([smooth((6, 9), seed=i) for i in range(5)])
    decoded = Codec(agave, SETTINGS).decode(Codec(agave, SETTINGS).encode(pictures))
    assert isinstance(decoded.images, np.ndarray)
    np.testing.assert_array_equal(decoded.images, pictures)


def test_a_picture_takes_no_more_than_its_pixels(agave):
    pictures = [noise((8, 8)), smooth((8, 8)), noise((8, 8)) // 2 + 100]
    data = Codec(agave, SETTINGS).encode(pictures)
    assert_same(Codec(agave, SETTINGS).decode(data).images, pictures)
    alone = Codec(agave, SETTINGS).encode([noise((8, 8))])
    head = len(alone) - 8 * 8 * 3
    assert num_stored(alone, 3) == 1
    assert head < 24
    container = container_of(alone, 3)
    assert container.groups[0].kind == Kind((8, 8), is_stored=True)


def test_rgb_pictures_of_a_model_of_gray_ones_are_coded_by_their_planes():
    images = tiny_images(16, channels=1)
    model = model_of_gray_pixels("pretrain_pixel_cnn", images)
    pictures = [smooth((8, 8)), smooth((8, 8), channels=1)]
    data = Codec(model, SETTINGS).encode(pictures)
    kinds = [group.kind for group in container_of(data, 1).groups]
    assert Kind((8, 8), is_planes=True) in kinds
    assert_same(Codec(model, SETTINGS).decode(data).images, pictures)


def test_gray_pictures_of_a_model_of_rgb_images_are_gray_again():
    kind, pictures = Kind((2, 3), is_gray=True), noise((2, 3), 1)[None]
    images = kind.to_model(pictures)
    assert images.shape == (1, 2, 3, 3)
    assert (images == pictures).all()
    np.testing.assert_array_equal(kind.from_model(images), pictures)


def test_what_is_no_picture_is_refused(agave):
    codec = Codec(agave, SETTINGS)
    for images, message in [
        ([], "N at least 1; got 0 pictures"),
        ([np.zeros((2, 2, 2), np.uint8)], r"C 1 or 3; got uint8 \[2, 2, 2\]"),
        ([np.zeros((2, 2, 3))], r"got float64 \[2, 2, 3\]"),
        ([np.zeros((1, 2049, 3), np.uint8)], "from 1 to 2048; got 1x2049"),
    ]:
        with pytest.raises(InputError, match=message):
            codec.encode(images)


def stored(count=2, size=(2, 3)):
    """A file of stored pictures."""
    content = bytes(range(count * size[0] * size[1] * 3))
    group = Group(Kind(size, is_stored=True), np.arange(count), content)
    return Container(count, [group], None, None).to_bytes()


def test_every_flipped_bit_of_a_stored_file_is_found():
    data = stored()
    assert len(container_of(data, 3).groups[0].pixels(3)) == 2
    for place in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        if is_container(bytes(damaged)):
            with pytest.raises(InputError, match="damaged"):
                container_of(bytes(damaged), 3)
    for length in range(3, len(data)):
        with pytest.raises(InputError, match="damaged"):
            container_of(data[:length], 3)


@pytest.mark.parametrize(
    "numbers",
    [
        (2**40, 1, 0, 32, 32, 2**40, 100),  # as many pictures
        (1, 1, 0, 2**20, 2**20, 1, 100),  # as many pixels
        (10**6, 1, 0, 2048, 2048, 10**6, 60),  # more pixels than bytes can hold
        (1, 2**40, 0, 8, 8, 1, 60),  # as many groups
        (1, 1, 0, 8, 8, 1, 2**40),  # as many bytes
        (1, 1, 9, 8, 8, 1, 60),  # an unknown kind
        (2, 1, 0, 8, 8, 1, 60),  # a picture in no group
    ],
)
def test_forged_numbers_take_no_memory(numbers):
    num_images, num_groups, kind, *rest = numbers
    head = MAGIC + bytes([3]) + varint(num_images) + varint(num_groups) + bytes([kind])
    head += b"".join(map(varint, rest))
    forged = head + checksum(head) + bytes(60)
    with pytest.raises(InputError, match="damaged"):
        container_of(forged, 3)


def test_a_file_of_no_picture_is_refused():
    with pytest.raises(InputError, match="damaged"):
        container_of(Container(0, [], None, None).to_bytes(), 3)

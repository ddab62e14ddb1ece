"""Pictures of any sizes, gray or RGB, in one file; those that do not pay are stored."""

import numpy as np
import pytest
from coding_models import SIZE, gray_codec, gray_model, noise, smooth

from agave_tf.codec.file_format import FORMAT, Group, Header, Kind
from agave_tf.codec.latent_code import CountRange
from agave_tf.codec.packing import LOW_BITS, MAGIC
from agave_tf.codec.read_file import file_of, num_stored
from agave_tf.errors import InputError
from agave_tf.evaluation import memory
from agave_tf.models.pixel_cnn_model import PixelCNNModel


@pytest.fixture(scope="module")
def codec():
    return gray_codec(lanes=1)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_sizes_and_colours_come_back_in_their_order(codec):
    flat = np.full([6, *SIZE, 1], 128, np.uint8)
    odd = smooth(2, (3, 5))
    pictures = [*flat[:3], odd[0], *noise(1, (1, 1)), *flat[3:], odd[1], *smooth(5)]
    labels = [3, -1, 0, 2, 1, *range(9)]
    names = ["a", "b,\n", "c", "d", "e", *map(str, range(9))]
    data = codec.encode(pictures, labels, names)
    groups = file_of(data, (*SIZE, 3), 2, False).header.groups
    kinds = [group.kind for group in groups]
    assert kinds == [
        Kind((1, 1), True),
        Kind((3, 5)),
        Kind(SIZE),
        Kind(SIZE, False, True),
    ]
    assert num_stored(data, (*SIZE, 3), 2) == 1
    decoded = codec.decode(data)
    assert_same(decoded.images, pictures)
    assert (decoded.labels.tolist(), decoded.names) == (labels, names)
    assert decoded.numbers.tolist() == list(range(14)) and not len(decoded.lost)
    previews = codec.preview(data).images
    assert [p.shape for p in previews] == [p.shape for p in pictures]


def test_one_size_is_an_array_again(codec):
    pictures = smooth(5)
    decoded = codec.decode(codec.encode(list(pictures)))
    assert isinstance(decoded.images, np.ndarray)
    np.testing.assert_array_equal(decoded.images, pictures)


def test_a_picture_takes_no_more_than_its_pixels(codec):
    pictures = np.concatenate([noise(2), smooth(1), noise(2) // 2 + 100])
    data = codec.encode(pictures)
    assert_same(codec.decode(data).images, pictures)
    assert num_stored(data, (*SIZE, 3), 2) == 4
    stored = codec.encode(noise(5))
    # Magic, format, weights, digest, kind, number and checksum.
    assert len(stored) == 5 * noise().size + 2 + 1 + 1 + 3 + 1 + 1 + 4
    groups = file_of(stored, (*SIZE, 3), 2, False).header.groups
    assert [group.kind for group in groups] == [Kind(SIZE, is_stored=True)]


def test_pictures_that_do_not_pay_for_their_stream_are_stored(codec, monkeypatch):
    """Each takes fewer bits than its pixels, but not with the stream's own bytes."""
    flat = np.full([1, *SIZE, 1], 128, np.uint8)
    sized = codec._sized(SIZE)
    (bits,) = sized.encode(np.repeat(flat, 3, -1), None).bits(6)
    assert bits < 8 * flat.size < bits + 32
    assert num_stored(codec.encode(flat), (*SIZE, 3), 2) == 1


def test_rgb_pictures_of_a_model_of_gray_ones_are_coded_by_their_planes():
    codec = gray_codec(gray_model(channels=1, kind=PixelCNNModel), lanes=2)
    pictures = [*smooth(2), *smooth(2, channels=1, seed=1)]
    data = codec.encode(pictures)
    groups = file_of(data, (*SIZE, 1), 0, False).header.groups
    assert [group.kind for group in groups] == [Kind(SIZE), Kind(SIZE, is_planes=True)]
    assert groups[1].num_images == 6
    assert_same(codec.decode(data).images, pictures)


@pytest.mark.parametrize(
    ("kind", "channels"), [(Kind((2, 3), is_gray=True), 1), (Kind((2, 3)), 3)]
)
def test_pictures_that_a_model_takes_otherwise_are_themselves_again(kind, channels):
    pictures = noise(2, (2, 3), channels)
    images = kind.to_model(pictures)
    assert images.shape == (2, 2, 3, 3) and (images == pictures).all()
    np.testing.assert_array_equal(kind.from_model(images), pictures)


def test_planes_are_pictures_again():
    kind, pictures = Kind((2, 3), is_planes=True), noise(4, (2, 3))
    planes = kind.to_model(pictures)
    assert planes.shape == (12, 2, 3, 1)
    np.testing.assert_array_equal(planes[4, ..., 0], pictures[1, ..., 1])
    np.testing.assert_array_equal(kind.from_model(planes), pictures)


def test_what_is_no_picture_is_refused(codec):
    for images, message in [
        ([], "N at least 1; got 0 pictures"),
        (noise(0), r"N at least 1; got uint8 \[0, 4, 4, 3\]"),
        ([np.zeros((2, 2, 2), np.uint8)], r"C 1 or 3; got uint8 \[2, 2, 2\]"),
        ([np.zeros((2, 2, 3))], r"got float64 \[2, 2, 3\]"),
        ([np.zeros((1, 2049, 3), np.uint8)], "from 1 to 2048; got 1x2049"),
    ]:
        with pytest.raises(InputError, match=message):
            codec.encode(images)


def test_a_header_keeps_its_numbers():
    ranges = [
        CountRange(0, 0),
        CountRange(7, 8),
        CountRange(8, 255),
        CountRange(63, 64),
    ]
    groups = [
        Group(Kind((7, 300)), [1, 300, 301], [70_000, 4], 12, ranges),
        Group(Kind((4, 4), is_stored=True), [0], [4 + 48]),
        Group(Kind((2048, 1), is_gray=True), range(2, 300), [0], 16, ranges[:1] * 4),
    ]
    labels = np.arange(302, dtype=np.int32) - 1
    header = Header(groups, ["ä" * i for i in range(302)], labels)
    content = header.to_bytes((4, 4))
    data = content[:3] + b"wddd" + content[3:] + bytes(70_004 + 52 + 1000)
    found = file_of(data, (4, 4, 3), 4, False)
    assert (found.weights, found.digest) == (b"w", b"ddd")
    assert found.header.names == header.names and found.content == content
    np.testing.assert_array_equal(found.header.labels, labels)
    for group, own in zip(found.header.groups, groups, strict=True):
        assert group._replace(places=[]) == own._replace(places=[])
        assert list(group.places) == list(own.places)
    lengths = [[len(stream) for stream in own] for own in found.streams]
    assert lengths == [[70_000, 4], [52], [1000]]


@pytest.mark.parametrize(("index_bits", "after_format"), [(12, [128]), (6, [0, 6])])
def test_the_header_of_one_picture_takes_few_bytes(index_bits, after_format):
    """Magic, format, kind, index bits but for the usual ones, and counts of blocks."""
    ranges = [CountRange(1, 1), CountRange(7, 7)]
    group = Group(Kind((4, 4)), [0], [9], index_bits, ranges)
    content = Header([group], None, None).to_bytes((4, 4))
    assert content == MAGIC + bytes([FORMAT, *after_format, 0x17])
    assert FORMAT < 1 << LOW_BITS


def test_a_picture_that_no_memory_holds_is_refused_before_the_work(codec, monkeypatch):
    monkeypatch.setattr(memory, "_present_memory", lambda: 10**7)
    with pytest.raises(InputError, match=r"small enough to be coded .*1000x1000 takes"):
        codec.encode([np.zeros([1000, 1000, 3], np.uint8)])

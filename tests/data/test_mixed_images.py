"""Images of any sizes in one flat array of pixels."""

import numpy as np
import pytest

from agave_tf.data import image_set
from agave_tf.data.image_set import Data, DataRecord, Images, describe_sizes
from agave_tf.data.joined_images import JoinedImages
from agave_tf.data.mixed_images import (
    ImageBuffer,
    MixedImages,
    join_images,
    sizes_of,
)
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig

SIZES = [(3, 5), (1, 1), (4, 2), (3, 5), (2, 9)]


def arrays(sizes=SIZES, channels=3, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, (*s, channels), np.uint8) for s in sizes]


def assert_same(images, expected):
    assert len(images) == len(expected)
    for image, other in zip(images, expected, strict=True):
        np.testing.assert_array_equal(image, other)


def test_it_is_like_an_array_of_images():
    images = MixedImages.of(arrays())
    assert len(images) == 5 and images.shape == (5, None, None, 3)
    assert images.dtype == np.uint8 and images.nbytes == 3 * (15 + 1 + 8 + 15 + 18)
    assert images.sizes.tolist() == [list(size) for size in SIZES]
    assert images.sizes.dtype == np.int32
    assert_same(images, arrays())
    assert images[2].base is not None  # a view


@pytest.mark.parametrize(
    "index",
    [
        slice(1, 4),
        slice(None, None, -2),
        slice(0, 0),
        np.array([4, 1, 1]),
        [2],
        np.array([], int),
        np.array([True, False, False, True, True]),
        np.array([-1, 0]),
    ],
)
def test_an_index_selects_as_in_an_array(index):
    images = MixedImages.of(arrays())[index]
    rows = np.arange(5)[index]
    assert isinstance(images, MixedImages)
    assert_same(images, [arrays()[row] for row in rows])
    assert images.pixels.size == images.nbytes == sum(i.size for i in images)


def test_consecutive_images_are_a_view():
    images = MixedImages.of(arrays())
    for index in (slice(1, 4), np.arange(2, 5)):
        assert np.shares_memory(images[index].pixels, images.pixels)


@pytest.mark.parametrize("number", [5, -6])
def test_there_is_no_image_beyond_the_last(number):
    with pytest.raises(IndexError):
        MixedImages.of(arrays())[number]


PIXELS = np.zeros(36, np.uint8)


@pytest.mark.parametrize(
    "pixels,sizes,channels",
    [
        (PIXELS, [[3, 4], [1, 1]], 3),
        (PIXELS, [[3, 4]], 1),
        (PIXELS, [[3, -4], [3, 8]], 3),
        (PIXELS, [[0, 4], [3, 4]], 3),
        (PIXELS, [[2**31 - 1, 2**31 - 1], [3, 4]], 3),
        (PIXELS, np.zeros([0, 2]), 3),
        (PIXELS, [3, 4], 3),
        (PIXELS.reshape(3, 12), [[3, 4]], 3),
        (PIXELS.astype(np.int16), [[3, 4]], 3),
    ],
)
def test_sizes_of_other_pixels_are_refused(pixels, sizes, channels):
    MixedImages(PIXELS, np.array([[3, 4]], np.int32), 3)
    with pytest.raises(ValueError):
        MixedImages(pixels, np.array(sizes, np.int32), channels)


def test_a_sum_of_sizes_that_runs_over_64_bits_is_refused():
    """Four areas of 2**62 make 2**64, which is 0."""
    # Takes no memory: one byte that is seen many times.
    pixels = np.lib.stride_tricks.as_strided(PIXELS, [2**62], [0])
    sizes = np.full([5, 2], 2**31 - 1, np.int32)
    assert (sizes.astype(np.int64).prod(1) <= pixels.size).all()
    with pytest.raises(ValueError, match="do not add up"):
        MixedImages(pixels, sizes, 1)


def test_offsets_beyond_32_bits_find_their_image():
    pixels = np.lib.stride_tricks.as_strided(PIXELS, [2**32 + 4], [0])
    sizes = np.array([[2**16, 2**16], [1, 4]], np.int32)
    images = MixedImages(pixels, sizes, 1)
    assert images._between(1, 1).shape == (4,) and images._ends[1] == 2**32 + 4


def test_images_of_one_size_are_an_array():
    images = arrays([(3, 5)] * 4)
    mixed = MixedImages.of(images)
    np.testing.assert_array_equal(mixed.simplest(), np.stack(images))
    assert np.shares_memory(mixed.simplest(), mixed.pixels)
    assert isinstance(MixedImages.of(arrays()).simplest(), MixedImages)


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="channels"):
        MixedImages.of([*arrays(), *arrays(channels=1)])


PARTS = {
    "of one size": [np.stack(arrays([(3, 5)] * n)) for n in (2, 3)],
    "of two sizes": [np.stack(arrays([(3, n)] * n)) for n in (2, 3)],
    "mixed": [MixedImages.of(arrays()), MixedImages.of(arrays(seed=1))],
    "mixed and not": [MixedImages.of(arrays()), np.stack(arrays([(3, 5)] * 2))],
}


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("expected_bytes", [0, 50, 10**6])
def test_images_are_joined_in_order(kind, expected_bytes):
    expected = [image for part in PARTS[kind] for image in part]
    buffer = ImageBuffer(expected_bytes)
    for part in PARTS[kind]:
        buffer.add(part)
    for images in (join_images(PARTS[kind]), buffer.images()):
        assert_same(images, expected)
        assert isinstance(images, np.ndarray) == (kind == "of one size")
        assert sizes_of(images).tolist() == [list(i.shape[:2]) for i in expected]


LABEL = np.arange(5, dtype=np.int32)


def test_a_set_of_images_takes_and_chooses_among_many_sizes():
    images = Images(MixedImages.of(arrays()), LABEL)
    assert images.shape == (None, None, 3)
    assert images.sizes.tolist() == [list(size) for size in SIZES]
    assert_same(images.take(np.array([4, 0])).image, [arrays()[4], arrays()[0]])
    assert images.some(1, 2).label.tolist() == [1, 2]
    assert_same(images.first(2).image, arrays()[:2])
    assert (
        images.choose(3).tolist()
        == Images(np.zeros([5, 1, 1, 3]), None).choose(3).tolist()
    )
    with pytest.raises(InputError, match="one size here; got heights 1 to 4, widths 1"):
        assert images.array is None


def test_what_is_taken_of_one_size_is_an_array():
    taken = Images(MixedImages.of(arrays()), LABEL).take(np.array([3, 0]))
    assert taken.shape == (3, 5, 3)
    np.testing.assert_array_equal(taken.array, np.stack([arrays()[3], arrays()[0]]))


def test_sizes_of_an_array_are_those_of_every_image():
    images = Images(np.zeros([4, 2, 3, 1], np.uint8), None)
    assert images.sizes.tolist() == [[2, 3]] * 4 and images.shape == (2, 3, 1)


def test_sizes_in_words():
    assert describe_sizes(np.array([[8, 12], [8, 12]])) == "8x12"
    described = describe_sizes(np.array([[8, 12], [5, 20]]))
    assert described == "heights 5 to 8, widths 12 to 20"


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("is_copied", [True, False])
def test_all_images_are_the_training_images_and_then_the_held_out_ones(
    kind, labels, is_copied, monkeypatch
):
    if not is_copied:  # As of parts that are mapped from a cache.
        monkeypatch.setattr(image_set, "_MOST_COPIED", 0)
    train, test = PARTS[kind]
    label = np.arange(len(train) + len(test), dtype=np.int32)
    parts = {
        "train": Images(train, label[: len(train)]),
        "test": Images(test, label[len(train) :] if labels else None),
    }
    record = DataRecord("0123", len(train), len(test), "")
    data = Data(DataConfig(), parts, record)
    images, expected = data.part("all"), [*train, *test]
    assert_same(images.image, expected)
    is_mixed = kind != "of one size"
    assert isinstance(images.image, JoinedImages) != is_copied
    assert (images.shape[0] is None) == is_mixed and len(images.image) == len(expected)
    assert images.sizes.tolist() == [list(image.shape[:2]) for image in expected]
    for index in ([4, 0, -1], slice(1, 4), slice(0, 0), label % 2 == 0):
        rows = label[index]
        assert_same(images.image[index], [expected[row] for row in rows])
        taken = images.take(index)
        assert isinstance(taken.image, np.ndarray | MixedImages)
        if labels:
            np.testing.assert_array_equal(taken.label, rows)
    with pytest.raises(IndexError):
        images.image[len(expected)]
    if not is_mixed:
        np.testing.assert_array_equal(images.array, np.stack(expected))
    else:
        with pytest.raises(InputError, match="one size here"):
            assert images.array is None
    assert (images.label is None) == (not labels)
    assert data.part("train") is data.train and data.part("test") is data.test

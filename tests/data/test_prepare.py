"""Images of any depth, size and channels become what a run asks for."""

import numpy as np
import pytest

from agave_tf.data.prepare import prepare
from agave_tf.data.source import Notes
from agave_tf.errors import InputError
from agave_tf.settings.data import DataConfig


def prepared(image, notes=None, **settings):
    config = DataConfig(**settings)
    return prepare(np.asarray(image), config, "the images", notes or Notes())


def test_images_that_are_right_stay_as_they_are():
    image = np.random.default_rng(0).integers(0, 256, (3, 8, 4, 3), np.uint8)
    notes = Notes()
    np.testing.assert_array_equal(prepared(image, notes), image)
    assert notes.sentences() == []


def test_images_without_an_axis_of_channels_are_gray():
    image = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    np.testing.assert_array_equal(prepared(image)[..., 0], image)


@pytest.mark.parametrize("white_level", [65535, 4095, 1023, 255])
def test_sixteen_bits_are_scaled_and_said(white_level):
    values = np.array([0, 1, white_level // 2, white_level, 65535], np.uint16)
    notes = Notes()
    image = np.broadcast_to(values[:, None, None, None], (5, 4, 4, 1))
    result = prepared(image, notes, white_level=white_level)[:, 0, 0, 0]
    exact = np.minimum(values / white_level, 1) * 255
    assert np.abs(result - exact).max() <= 0.5
    assert result[0] == 0 and result[3] == result[4] == 255
    assert notes.sentences() == [
        f"images of 16 bits scaled to 8, {white_level} to level 255 (--white_level): 5",
        "largest value in the images of 16 bits: 65535",
    ]


def test_gray_becomes_rgb_and_rgb_gray_by_luma_when_asked():
    notes = Notes()
    gray = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(
        prepared(gray, notes, image_channels=3), np.repeat(gray, 3, axis=-1)
    )
    rgb = np.full((2, 4, 4, 3), (100, 150, 200), np.uint8)
    expected = round(0.299 * 100 + 0.587 * 150 + 0.114 * 200)
    assert set(prepared(rgb, notes, image_channels=1).ravel()) == {expected}
    assert notes.sentences() == [
        "gray images converted to RGB: 1",
        "RGB images converted to gray: 2",
    ]


def test_a_crop_around_the_centre_is_averaged_down():
    image = np.zeros((1, 8, 24, 1), np.uint8)
    image[:, :, :12] = 200
    image[:, :, :8] = image[:, :, 16:] = 77  # outside of the centre
    result = prepared(image, image_size="4")[0, :, :, 0]
    np.testing.assert_array_equal(result, np.tile([200, 200, 0, 0], (4, 1)))


def test_many_images_are_resized_as_one_by_one():
    image = np.random.default_rng(0).integers(0, 256, (9, 300, 300, 3), np.uint8)
    together = prepared(image, image_size="8")
    alone = [prepared(one[None], image_size="8")[0] for one in image]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    "image,message",
    [
        (np.zeros((1, 8, 8, 3), np.float32), "8 or 16 bits.*the images has float32"),
        (np.zeros((1, 8, 8, 3), np.int64), "8 or 16 bits.*has int64"),
        (np.zeros((1, 8, 8, 3), bool), "8 or 16 bits.*has bool"),
        (np.zeros((1, 8, 8, 4), np.uint8), r"1 or 3 channels.*\[8, 8, 4\]"),
        (np.zeros((1, 8, 8, 2), np.uint16), r"1 or 3 channels.*\[8, 8, 2\]"),
        (np.zeros((1, 2, 8, 8, 3), np.uint8), r"1 or 3 channels.*\[2, 8, 8, 3\]"),
    ],
)
def test_other_arrays_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        prepared(image)

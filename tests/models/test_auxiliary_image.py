"""The auxiliary image equals its definition in NumPy, for every setting."""

import numpy as np
import pytest

from agave_tf.models.auxiliary_image import auxiliary_image, auxiliary_shape
from agave_tf.settings.config import AuxiliaryConfig


def expected_image(image, downsampling, color, num_color_levels):
    y = image.astype(np.float64)
    if color == "gray" and y.shape[-1] == 3:
        y = np.rint(y @ [0.299, 0.587, 0.114])[..., None]
    batch, height, width, channels = y.shape
    d = downsampling
    y = y.reshape(batch, height // d, d, width // d, d, channels).mean(axis=(2, 4))
    y = np.rint(y)
    bin_width = 256 // num_color_levels
    return y // bin_width * bin_width + (bin_width - 1) / 2


@pytest.mark.parametrize("num_color_levels", [256, 32, 16, 2])
@pytest.mark.parametrize("color", ["rgb", "gray"])
@pytest.mark.parametrize("downsampling", [1, 2, 4])
@pytest.mark.parametrize("channels", [3, 1])
def test_equals_its_definition(downsampling, color, num_color_levels, channels):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, size=(5, 8, 12, channels), dtype=np.uint8)
    config = AuxiliaryConfig(downsampling, color, num_color_levels)
    y = auxiliary_image(image, config).numpy()
    assert y.shape[1:] == auxiliary_shape(image.shape[1:], config)
    expected = expected_image(image, downsampling, color, num_color_levels)
    # Luma in float32 may round a half the other way, by one level in a few pixels.
    off = np.abs(y - expected) > 0
    assert off.mean() < 0.002
    assert np.abs(y - expected).max() <= 256 // num_color_levels


def test_with_the_default_settings_y_is_x():
    image = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(auxiliary_image(image, AuxiliaryConfig()), image)

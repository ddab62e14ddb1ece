"""Differences between pictures, in levels of 0..255, and the layout of figures."""

import numpy as np

from agave_tf.data.image_set import Images
from agave_tf.pictures.picture_row import PictureRow
from agave_tf.pictures.rows import Sampler

# Images in every row of a figure.
NUM_COLUMNS = 8
# Images on which pictures are compared; the figures show the first of them.
NUM_COMPARED = 256


def rms_difference(a: PictureRow, b: PictureRow) -> np.ndarray:
    """Returns the root mean square difference of every column of two rows, levels."""
    difference = a.images.astype(np.float64) - b.images
    return np.sqrt(np.square(difference).mean(axis=(1, 2, 3)))


def roughness(row: PictureRow) -> np.ndarray:
    """Returns every image's mean difference of horizontal neighbours, levels."""
    return np.abs(np.diff(row.images.astype(np.float64), axis=2)).mean(axis=(1, 2, 3))


def error_of_f_z(sampler: Sampler, images: Images) -> np.ndarray:
    """Returns the RMS difference of every image and its f(z), levels."""
    image, f_z, *_ = sampler.reconstruct(images)
    return rms_difference(image, f_z)


def stacked(*pictures: np.ndarray) -> np.ndarray:
    """Puts pictures [H,W,3] below each other, on white."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [
        np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255)
        for p in pictures
    ]
    return np.concatenate(padded)

"""Differences between pictures, in levels of 0..255, and the layout of figures."""

import numpy as np

from agave_tf.pictures.picture_row import PictureRow

# Images in every row of a figure.
NUM_COLUMNS = 8


def rms_difference(a: PictureRow, b: PictureRow) -> float:
    """Returns the root mean square difference of two rows, in levels."""
    difference = a.images.astype(np.float64) - b.images
    return float(np.sqrt(np.mean(np.square(difference))))


def roughness(row: PictureRow) -> float:
    """Returns the mean absolute difference of horizontal neighbours, in levels."""
    return float(np.abs(np.diff(row.images.astype(np.float64), axis=2)).mean())


def stacked(*pictures: np.ndarray) -> np.ndarray:
    """Puts pictures [H,W,3] below each other, on white."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [
        np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255)
        for p in pictures
    ]
    return np.concatenate(padded)

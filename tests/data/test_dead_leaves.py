"""Tests of the embedded data set: the same pictures as ever."""

import hashlib

import numpy as np
import pytest

from agave_tf.data import dead_leaves
from agave_tf.data.dead_leaves import draw_dead_leaves


def test_topmost_leaf_at_each_pixel_is_the_first_that_covers_it():
    rng = np.random.default_rng(0)
    height, width, n = 23, 18, 40
    # Some leaves lie outside, and some reach over the border.
    center_y, center_x = rng.uniform(-15, 38, n), rng.uniform(-15, 33, n)
    radius = rng.uniform(0.1, 9, n)
    expected = np.full((height, width), n)
    for i in range(height):
        for j in range(width):
            for leaf in range(n):
                y, x = i + 0.5 - center_y[leaf], j + 0.5 - center_x[leaf]
                if y**2 + x**2 < radius[leaf] ** 2:
                    expected[i, j] = leaf
                    break
    owner = dead_leaves._topmost(center_y, center_x, radius, (height, width))
    np.testing.assert_array_equal(owner, expected)
    assert len(np.unique(owner)) >= 12


@pytest.mark.parametrize(
    "shape, digest",
    [((16, 16, 3), "875d460e947398f5"), ((9, 2, 1), "e3dc94aaf08ed955")],
)
def test_pictures_are_those_of_the_first_version(shape, digest):
    """Runs of all versions go on with the same images."""
    pictures = draw_dead_leaves(20, *shape, seed=0)
    assert hashlib.sha256(pictures.tobytes()).hexdigest()[:16] == digest

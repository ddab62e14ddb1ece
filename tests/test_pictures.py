"""Grids and PNG files."""

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.pictures.grid import image_grid, write_png


def test_grid_shows_every_image_where_it_belongs():
    top = np.full((3, 4, 4, 3), 10, np.uint8)
    bottom = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 2, 2, 1))
    grid = image_grid([top, bottom.astype(np.uint8)], gap=1, columns=3)
    assert grid.shape == (11, 16, 3)
    assert (grid[1:5, 1:5] == 10).all()
    for i in range(3):
        # Gray 2x2 enlarged to 4x4 RGB.
        assert (grid[6:10, 1 + 5 * i : 5 + 5 * i] == i).all()
    assert (grid[5] == 255).all()


def test_long_rows_continue_below_together():
    rows = [np.zeros((5, 4, 4, 3), np.uint8)] * 2
    assert image_grid(rows, gap=0, columns=3, scale=2).shape == (32, 24, 3)


def test_captions_stand_left_of_their_rows():
    rows = [np.zeros((3, 8, 8, 3), np.uint8)] * 2
    plain = image_grid(rows, scale=2)
    grid = image_grid(rows, scale=2, captions=["image", "sample 1"])
    margin = grid.shape[1] - plain.shape[1]
    assert margin > 0
    np.testing.assert_array_equal(grid[:, margin:], plain)
    for top, bottom in ((4, 20), (24, 40)):
        assert (grid[top:bottom, :margin] < 128).any()


def test_png_holds_the_picture(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "picture.png"
    write_png(str(path), image)
    np.testing.assert_array_equal(tf.io.decode_png(path.read_bytes()), image)


def test_a_failure_leaves_nothing_behind(tmp_path):
    path = tmp_path / "picture.png"
    with pytest.raises(tf.errors.InvalidArgumentError):
        write_png(str(path), np.zeros((5, 7, 9), np.uint8))
    assert list(tmp_path.iterdir()) == []

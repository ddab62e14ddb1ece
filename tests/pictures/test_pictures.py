"""Grids and PNG files."""

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.pictures.grid import Grid, image_grid, write_png, write_strips
from agave_tf.pictures.rows import PictureRow, rows_grid, write_rows


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


@pytest.mark.parametrize("has_captions", [True, False])
def test_a_picture_written_in_strips_is_the_picture_of_its_rows(tmp_path, has_captions):
    rng = np.random.default_rng(0)
    rows = [
        PictureRow("gray", rng.integers(0, 256, (21, 4, 4, 1), np.uint8)),
        PictureRow("colour", rng.integers(0, 256, (21, 8, 8, 3), np.uint8)),
    ]
    path = tmp_path / "picture.png"
    write_rows(str(path), rows, 3, has_captions)
    expected = rows_grid(rows, 3, has_captions)
    np.testing.assert_array_equal(tf.io.decode_png(path.read_bytes()), expected)


def test_no_strip_is_higher_than_a_line_of_images():
    """A picture of 20,000 images took 1.5 GB, of images that take 60 MB."""
    rows = [np.zeros((100, 8, 8, 3), np.uint8)] * 2
    grid = Grid(rows, gap=2, scale=3, captions=["f(z)", "sample"])
    heights = [len(strip) for strip in grid.strips()]
    assert max(heights) == 3 * (8 + 2)
    assert sum(heights) == grid.shape[0]


def test_a_failure_between_strips_leaves_nothing_behind(tmp_path):
    def strips():
        yield np.zeros((2, 7, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_strips(str(tmp_path / "picture.png"), (4, 7, 3), strips())
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_viewers_may_not_open_is_said(tmp_path, caplog):
    path = str(tmp_path / "tall.png")
    strip = np.zeros((70_000, 1, 3), np.uint8)
    write_strips(path, (60_000, 1, 3), [strip[:60_000]])
    assert "viewers" not in caplog.text
    write_strips(path, strip.shape, [strip])
    assert "has 1 x 70000 pixels, more than many viewers open" in caplog.text

"""Convolutions as one matrix product and sums of its shifted parts.

XLA computes a convolution of float64 on a CPU in plain loops, up to ten times as slow,
and so every transposed one. cuDNN may compute one of float64 by a Fourier transform,
which is not exact. The sums here may be added in any order where they are exact, as in
exact arithmetic (exact_arithmetic.py).
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf


def same_padding(x: tf.Tensor, kernel_size: Sequence[int], strides: int) -> list:
    """The zeros that "SAME" adds around [B,H,W,in]: [(top, bottom), (left, right)]."""
    padding = []
    for side, kernel_side in zip(_sides_of(x), kernel_size, strict=True):
        # The kernel's last place starts at the last multiple of `strides` in x.
        last = (side - 1) // strides * strides
        largest = max if isinstance(side, int) else tf.maximum
        total = largest(last + kernel_side - side, 0)
        padding.append((total // 2, total - total // 2))
    return padding


def convolve(x: tf.Tensor, kernel: tf.Tensor, strides: int) -> tf.Tensor:
    """Convolves without padding: [B,H,W,in], [kh,kw,in,out] -> [B,H',W',out]."""
    height, width, channels, filters = kernel.shape
    sides = _sides_of(x)
    rows, columns = (
        (side - kernel_side) // strides + 1
        for side, kernel_side in zip(sides, (height, width))
    )
    places = list(itertools.product(range(height), range(width)))
    if strides == 1 and rows == 1:
        # One row of outputs, as the sampler asks for: one product with all they see.
        # The products below would be of twice as many rows.
        seen = [
            x[:, row : row + 1, column : column + columns] for row, column in places
        ]
        return _matmul(tf.concat(seen, axis=-1), tf.reshape(kernel, [-1, filters]))
    if strides == 1:
        # One product for all positions of the kernel, then a sum of its parts.
        matrix = tf.reshape(tf.transpose(kernel, [2, 0, 1, 3]), [channels, -1])
        products = tf.split(_matmul(x, matrix), len(places), axis=-1)
        return _sum(
            products[i][:, row : row + rows, column : column + columns]
            for i, (row, column) in enumerate(places)
        )
    # Far fewer outputs than inputs: one product for each position of the kernel.
    return _sum(
        _matmul(
            x[
                :,
                row : row + strides * (rows - 1) + 1 : strides,
                column : column + strides * (columns - 1) + 1 : strides,
            ],
            tf.reshape(kernel[row, column], [channels, filters]),
        )
        for row, column in places
    )


def convolve_transposed(
    x: tf.Tensor,
    kernel: tf.Tensor,
    shape: Sequence[Any],
    strides: int,
    padding: str,
) -> tf.Tensor:
    """As `tf.nn.conv2d_transpose`."""
    y = _all_places(x, kernel, strides)
    _, height, width, _ = shape
    top = left = 0
    if padding == "SAME":
        top, left = (max(side - strides, 0) // 2 for side in kernel.shape[:2])
    y = tf.pad(y, [[0, 0], [0, strides], [0, strides], [0, 0]])
    return y[:, top : top + height, left : left + width]


def _all_places(x: tf.Tensor, kernel: tf.Tensor, strides: int) -> tf.Tensor:
    """The transpose of `convolve`: [B,h,w,in], [kh,kw,out,in] -> [B,H,W,out].

    H = strides * (h - 1 + ceil(kh / strides)), and W alike; the rows and columns
    beyond strides * (h - 1) + kh are zero.
    """
    height, width, filters, channels = kernel.shape
    matrix = tf.transpose(tf.reshape(kernel, [height * width * filters, channels]))
    products = tf.split(_matmul(x, matrix), height * width, axis=-1)
    reach = [-(-side // strides) for side in (height, width)]

    def phase(first_row: int, first_column: int) -> tf.Tensor | None:
        """Every strides-th row and column, from the first ones on."""
        parts = [
            tf.pad(
                products[row * width + column],
                [
                    [0, 0],
                    [row // strides, reach[0] - 1 - row // strides],
                    [column // strides, reach[1] - 1 - column // strides],
                    [0, 0],
                ],
            )
            for row in range(first_row, height, strides)
            for column in range(first_column, width, strides)
        ]
        return _sum(parts) if parts else None

    phases = [[phase(r, c) for c in range(strides)] for r in range(strides)]
    zero = tf.zeros_like(phases[0][0])
    rows = [
        tf.stack([zero if part is None else part for part in row], axis=3)
        for row in phases
    ]
    y = tf.stack(rows, axis=2)  # [B,h',strides,w',strides,out]
    sides = [strides * side for side in (_side(y, 1), _side(y, 3))]
    return tf.reshape(y, [-1, *sides, filters])


def _matmul(x: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """x [B,H,W,in] times [in,out] at every position."""
    y = tf.matmul(tf.reshape(x, [-1, matrix.shape[0]]), matrix)
    return tf.reshape(y, [-1, *_sides_of(x), matrix.shape[1]])


def _sum(parts: Iterable[tf.Tensor]) -> tf.Tensor:
    total, *rest = parts
    for part in rest:
        total += part
    return total


def _sides_of(x: tf.Tensor) -> list:
    return [_side(x, 1), _side(x, 2)]


def _side(x: tf.Tensor, axis: int) -> int | tf.Tensor:
    return tf.shape(x)[axis] if x.shape[axis] is None else x.shape[axis]

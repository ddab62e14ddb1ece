"""Arithmetic that gives the same bits on every machine: EXACT.

Activations, kernels and biases are multiples of 2**-16 in float64. So the products and
all partial sums of a convolution are whole multiples of 2**-32, and below 2**53 of them
float64 is exact: no order of summation, no fused multiply-add and no library changes a
bit. `rounded` then puts the sum back on the grid.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tensorflow as tf

from agave_tf.arithmetic import convolution_by_products, fixed_point
from agave_tf.arithmetic.arithmetic import Arithmetic
from agave_tf.arithmetic.normal_table import TABLE_BITS, normal_table
from agave_tf.randomness import BITS, bits_for_images

R = TypeVar("R")


class ExactArithmetic(Arithmetic):
    """EXACT. Its numbers are float64.

    Args:
      is_compiled: whether XLA compiles the program. It changes no number: XLA needs
        another form of convolutions to be fast.
    """

    dtype = tf.float64
    is_trainable = False
    has_gradient = False

    def __init__(self, is_compiled: bool = False):
        self._is_compiled = is_compiled

    @property
    def without_gradient(self) -> Arithmetic:
        return self

    @property
    def compiled(self) -> Arithmetic:
        return _EXACT_COMPILED

    def features(self, x: tf.Tensor, dtype: str) -> tf.Tensor:
        del dtype
        return fixed_point.to_grid(tf.cast(x, tf.float64))

    def precise(self, x: tf.Tensor) -> tf.Tensor:
        return tf.cast(x, tf.float64)

    def from_levels(self, level: tf.Tensor) -> tf.Tensor:
        # A table: XLA replaces the division by 127.5 by a product, with other last bits
        # for 126 of the levels.
        table = tf.constant(LEVEL_VALUES, tf.float64)
        return tf.gather(table, tf.cast(level, tf.int32))

    def zeros(self, shape: Sequence[Any]) -> tf.Tensor:
        return tf.zeros(shape, tf.float64)

    def normal_for_images(
        self, seed: tf.Tensor, index: tf.Tensor, size: int | tf.Tensor
    ) -> tf.Tensor:
        # The first bits, so that these draws are near those of floats.
        place = bits_for_images(seed, index, size) // 2 ** (BITS - TABLE_BITS)
        return tf.gather(tf.constant(normal_table(), tf.float64), place)

    def conv2d(
        self, x: tf.Tensor, kernel: tf.Tensor, strides: int, padding: Any
    ) -> tf.Tensor:
        if not self._needs_products():
            return tf.nn.conv2d(x, kernel, strides, padding)
        if padding == "SAME":
            sides = convolution_by_products.same_padding(x, kernel.shape[:2], strides)
            padding = ((0, 0), *sides, (0, 0))
        if padding != "VALID":
            x = tf.pad(x, padding)
        return convolution_by_products.convolve(x, kernel, strides)

    def conv2d_transpose(
        self,
        x: tf.Tensor,
        kernel: tf.Tensor,
        shape: Sequence[Any],
        strides: int,
        padding: str,
    ) -> tf.Tensor:
        if not self._needs_products():
            return tf.nn.conv2d_transpose(x, kernel, shape, strides, padding)
        return convolution_by_products.convolve_transposed(
            x, kernel, shape, strides, padding
        )

    def _needs_products(self) -> bool:
        return self._is_compiled or bool(tf.config.list_logical_devices("GPU"))

    def rounded(self, x: tf.Tensor) -> tf.Tensor:
        return self._fused(fixed_point.to_grid, x)

    def times(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return self._fused(_rounded_product, a, b)

    def scaled(self, factor: float, x: tf.Tensor) -> tf.Tensor:
        return fixed_point.to_grid(x * _short(factor))

    def over(self, x: tf.Tensor, divisor: float) -> tf.Tensor:
        return fixed_point.to_grid(x * _short(1 / divisor))

    def elu(self, x: tf.Tensor) -> tf.Tensor:
        return self._fused(fixed_point.elu, x)

    def concat_elu(self, x: tf.Tensor) -> tf.Tensor:
        return tf.concat(self._fused(fixed_point.elu_of_both_signs, x), axis=-1)

    def exp(self, x: tf.Tensor) -> tf.Tensor:
        return self._fused(fixed_point.exp, x)

    def sigmoid(self, x: tf.Tensor) -> tf.Tensor:
        return self._fused(fixed_point.sigmoid, x)

    def tanh(self, x: tf.Tensor) -> tf.Tensor:
        return self._fused(fixed_point.tanh, x)

    def _fused(self, function: Callable[..., R], *args: tf.Tensor) -> R:
        """Calls a function of entries: as one loop over memory instead of thirty."""
        if self._is_compiled:
            return function(*args)
        results = _compiled(function)(*args)
        shape = functools.reduce(tf.broadcast_static_shape, (x.shape for x in args))
        for result in tf.nest.flatten(results):
            result.set_shape(shape)  # Lost where one trace serves many shapes.
        return results


@functools.cache
def _compiled(function: Callable) -> Callable:
    return tf.function(
        function, jit_compile=True, autograph=False, reduce_retracing=True
    )


def _rounded_product(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return fixed_point.to_grid(a * b)


def _short(factor: float) -> float:
    """The factor in steps of 2**-24; computed in Python, the same everywhere."""
    one = 2**fixed_point.FRACTION_BITS
    return round(factor * one) / one


# (2 * level - 255) / 255 to the nearest multiple of 2**-16, by whole numbers.
LEVEL_VALUES = [
    ((2 * level - 255) * 2 ** (fixed_point.GRID_BITS + 1) + 255) // 510 * 2.0**-16
    for level in range(256)
]


EXACT = ExactArithmetic()
_EXACT_COMPILED = ExactArithmetic(is_compiled=True)

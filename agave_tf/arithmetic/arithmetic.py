"""How layers and likelihoods add and multiply: in floats, or exactly.

Layers ask the arithmetic that is in use (weights/in_use.py) for products, for
nonlinearities and for roundings. So each is written once.

FLOAT is TensorFlow's own, with gradients. Its last bits depend on the order of sums,
and so on the number of threads, the batch, the library and the processor.

EXACT gives the same bits everywhere. Activations, kernels and biases are multiples of
2**-16 in float64. So the products and all partial sums of a convolution are whole
multiples of 2**-32, and below 2**53 of them float64 is exact: no order of summation, no
fused multiply-add and no library changes a bit. `rounded` then puts the sum back on the
grid. It has no gradient.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from agave_tf.arithmetic import exact_convolution, fixed_point
from agave_tf.pixel_scale import to_unit_range

R = TypeVar("R")


class Arithmetic:
    """What layers and likelihoods ask for; this one is FLOAT.

    x, y, a and b in the docstrings are tensors of any shape.
    """

    # The dtype of features that depend on no setting.
    dtype: tf.DType = tf.float32
    # Whether products have gradients, and kernels are computed from v and g.
    is_trainable = True

    @property
    def zero(self) -> np.floating:
        """0, where TensorFlow would take a number of Python for float32."""
        return self.dtype.as_numpy_dtype(0)

    @property
    def compiled(self) -> "Arithmetic":
        """The same arithmetic for a program that XLA compiles."""
        return self

    def features(self, x: tf.Tensor, dtype: str) -> tf.Tensor:
        """The input of a network, as features of this dtype."""
        return tf.cast(x, dtype)

    def precise(self, x: tf.Tensor) -> tf.Tensor:
        """Features as results, which are float32 whatever the dtype of features is."""
        return tf.cast(x, tf.float32)

    def from_levels(self, level: tf.Tensor) -> tf.Tensor:
        """Levels 0..255 as values in [-1,1]."""
        return to_unit_range(level)

    def zeros(self, shape: Sequence[Any]) -> tf.Tensor:
        """Features that are zero."""
        return tf.zeros(shape)

    def matmul(self, x: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
        """[B,in] times [in,out], not rounded."""
        return tf.matmul(x, matrix)

    def conv2d(
        self, x: tf.Tensor, kernel: tf.Tensor, strides: int, padding: Any
    ) -> tf.Tensor:
        """As `tf.nn.conv2d`, not rounded."""
        return tf.nn.conv2d(x, kernel, strides, padding)

    def conv2d_transpose(
        self,
        x: tf.Tensor,
        kernel: tf.Tensor,
        shape: Sequence[Any],
        strides: int,
        padding: str,
    ) -> tf.Tensor:
        """As `tf.nn.conv2d_transpose`, not rounded."""
        return tf.nn.conv2d_transpose(x, kernel, shape, strides, padding)

    def rounded(self, x: tf.Tensor) -> tf.Tensor:
        """Features from a sum of products."""
        return x

    def times(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """a * b, entry by entry, rounded."""
        return a * b

    def scaled(self, factor: float, x: tf.Tensor) -> tf.Tensor:
        """factor * x, rounded."""
        return factor * x

    def over(self, x: tf.Tensor, divisor: float) -> tf.Tensor:
        """x / divisor, rounded."""
        return x / divisor

    def elu(self, x: tf.Tensor) -> tf.Tensor:
        """x above 0, exp(x) - 1 below."""
        return tf.nn.elu(x)

    def concat_elu(self, x: tf.Tensor) -> tf.Tensor:
        """elu([x, -x]): doubles the channels (Shang et al. 2016 with elu for relu)."""

        # The gradient of the two halves apart, which TensorFlow's own would join and
        # cut.
        @tf.custom_gradient
        def compute(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            halves = tf.nn.elu(x), tf.nn.elu(-x)

            def gradient(dy: tf.Tensor) -> tf.Tensor:
                by_half = [
                    tf.raw_ops.EluGrad(gradients=d, outputs=half)
                    for d, half in zip(tf.split(dy, 2, axis=-1), halves)
                ]
                return by_half[0] - by_half[1]

            return tf.concat(halves, axis=-1), gradient

        return compute(x)

    def relu(self, x: tf.Tensor) -> tf.Tensor:
        """x above 0, 0 below."""
        return tf.nn.relu(x)

    def exp(self, x: tf.Tensor) -> tf.Tensor:
        """exp(x), as a factor of `times`."""
        return tf.exp(x)

    def sigmoid(self, x: tf.Tensor) -> tf.Tensor:
        """1 / (1 + exp(-x)), as a factor of `times`, or of a weighted sum of 64."""
        return tf.sigmoid(x)

    def tanh(self, x: tf.Tensor) -> tf.Tensor:
        """tanh(x)."""
        return tf.tanh(x)


class ExactArithmetic(Arithmetic):
    """EXACT. Its numbers are float64.

    Args:
      is_compiled: whether XLA compiles the program. It changes no number: XLA needs
        another form of convolutions to be fast.
    """

    dtype = tf.float64
    is_trainable = False

    def __init__(self, is_compiled: bool = False):
        self._is_compiled = is_compiled

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

    def conv2d(
        self, x: tf.Tensor, kernel: tf.Tensor, strides: int, padding: Any
    ) -> tf.Tensor:
        if not self._needs_products():
            return tf.nn.conv2d(x, kernel, strides, padding)
        if padding == "SAME":
            sides = exact_convolution.same_padding(x, kernel.shape[:2], strides)
            padding = ((0, 0), *sides, (0, 0))
        if padding != "VALID":
            x = tf.pad(x, padding)
        return exact_convolution.convolve(x, kernel, strides)

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
        y = exact_convolution.convolve_transposed(x, kernel, strides)
        _, height, width, _ = shape
        top = left = 0
        if padding == "SAME":
            top, left = (max(side - strides, 0) // 2 for side in kernel.shape[:2])
        y = tf.pad(y, [[0, 0], [0, strides], [0, strides], [0, 0]])
        return y[:, top : top + height, left : left + width]

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

FLOAT = Arithmetic()
EXACT = ExactArithmetic()
_EXACT_COMPILED = ExactArithmetic(is_compiled=True)

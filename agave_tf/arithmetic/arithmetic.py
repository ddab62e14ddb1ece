"""How layers and likelihoods add and multiply: in floats, or exactly.

Layers ask the arithmetic that is in use (weights/in_use.py) for products, for
nonlinearities and for roundings. So each is written once.

FLOAT is TensorFlow's own, with gradients. Its last bits depend on the order of sums,
and so on the number of threads, the batch, the library and the processor. Without
gradients, where nobody asks for them, a graph is smaller and made sooner.

EXACT (exact_arithmetic.py) gives the same bits everywhere, and has no gradient.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from agave_tf.arithmetic import convolution_by_products
from agave_tf.pixel_scale import to_unit_range
from agave_tf.randomness import normal_for_images


class Arithmetic:
    """What layers and likelihoods ask for; this one is FLOAT.

    x, y, a and b in the docstrings are tensors of any shape.
    """

    # The dtype of features that depend on no setting.
    dtype: tf.DType = tf.float32
    # Whether products have gradients, and kernels are computed from v and g.
    is_trainable = True
    # Whether functions of `with_gradient` have the gradients that they give.
    has_gradient = True

    @property
    def zero(self) -> np.floating:
        """0, where TensorFlow would take a number of Python for float32."""
        return self.dtype.as_numpy_dtype(0)

    @property
    def compiled(self) -> "Arithmetic":
        """The same arithmetic for a program that XLA compiles."""
        return self

    @property
    def without_gradient(self) -> "Arithmetic":
        """The same arithmetic for a function that nobody differentiates."""
        return _WITHOUT_GRADIENT

    def with_gradient(self, function: Callable) -> Callable[..., tf.Tensor]:
        """A function of tensors, with a gradient of its own.

        Args:
          function: returns its result and its gradient, as `tf.custom_gradient` takes
            it.
        """
        return tf.custom_gradient(function)

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

    def normal_for_images(
        self, seed: tf.Tensor, index: tf.Tensor, size: int | tf.Tensor
    ) -> tf.Tensor:
        """Standard normal draws [B,size]; arguments as in randomness.py."""
        return normal_for_images(seed, index, size)

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
        def compute(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            halves = tf.nn.elu(x), tf.nn.elu(-x)

            def gradient(dy: tf.Tensor) -> tf.Tensor:
                by_half = [
                    tf.raw_ops.EluGrad(gradients=d, outputs=half)
                    for d, half in zip(tf.split(dy, 2, axis=-1), halves)
                ]
                return by_half[0] - by_half[1]

            return tf.concat(halves, axis=-1), gradient

        return self.with_gradient(compute)(x)

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


class _WithoutGradient(Arithmetic):
    """FLOAT, where gradients would be TensorFlow's own."""

    has_gradient = False

    @property
    def compiled(self) -> Arithmetic:
        return _COMPILED

    def with_gradient(self, function: Callable) -> Callable[..., tf.Tensor]:
        return lambda *tensors: function(*tensors)[0]


class _Compiled(_WithoutGradient):
    """FLOAT in the forms for which XLA makes vector instructions on a CPU.

    It makes none for its own elu, which has all digits of exp(x) - 1 near 0, nor for
    transposed convolutions. The error of this elu is a rounding of 1, as TensorFlow's.
    """

    def conv2d_transpose(
        self,
        x: tf.Tensor,
        kernel: tf.Tensor,
        shape: Sequence[Any],
        strides: int,
        padding: str,
    ) -> tf.Tensor:
        return convolution_by_products.convolve_transposed(
            x, kernel, shape, strides, padding
        )

    def elu(self, x: tf.Tensor) -> tf.Tensor:
        return tf.maximum(x, 0) + (tf.exp(tf.minimum(x, 0)) - 1)

    def concat_elu(self, x: tf.Tensor) -> tf.Tensor:
        return self.elu(tf.concat([x, -x], axis=-1))


FLOAT = Arithmetic()
_WITHOUT_GRADIENT = _WithoutGradient()
_COMPILED = _Compiled()

"""Fixed-point numbers in float64, and functions of them that all machines agree on.

A number on the grid is a multiple of 2**-16. Every function here is a fixed sequence of
IEEE operations, each of which is exact or correctly rounded. A product that a sum
follows at once is exact, so a fused multiply-add, which compilers may choose, changes
nothing. Powers of two as factors are always exact.

After Balle, Johnston & Minnen 2019, "Integer networks for data compression with
latent-variable models". They train networks of integers; float64 needs no training.
"""

import numpy as np
import tensorflow as tf

GRID_BITS = 16  # of the grid's fraction
# Bits of the fraction of a mantissa, of a polynomial's terms, and of a probability.
FRACTION_BITS = 24
# `exp` takes arguments beyond these for these. exp(-300) squared is still far from the
# least float64, below which machines differ.
LEAST_EXPONENT, MOST_EXPONENT = -300.0, 20.0

_LOG2_E = np.floor(np.log2(np.e) * 2.0**26 + 0.5) * 2.0**-26
# The polynomial of 2**f for |f| <= 1/2, from the constant term up, in steps of 2**-24:
# the interpolation at Chebyshev's points. Written out, because a fit may differ between
# machines in its last bits.
_POWER_OF_TWO = (16777216, 11629080, 4030241, 931195, 162337, 22466)
_MANTISSA_BITS, _EXPONENT_BIAS = 52, 1023  # of float64


def to_multiple(x: tf.Tensor, bits: int) -> tf.Tensor:
    """The nearest multiple of 2**-bits; the upper one of two that are as near.

    So rounding and adding a multiple can change places: the sampler adds up what it
    knows of a row in another order. With the even one of two they could not.
    """
    return tf.floor(x * 2.0**bits + 0.5) * 2.0**-bits


def to_grid(x: tf.Tensor) -> tf.Tensor:
    """The nearest number on the grid."""
    return to_multiple(x, GRID_BITS)


def exp(x: tf.Tensor) -> tf.Tensor:
    """exp(x) with a relative error below 1e-6, and below 3e-7 for |x| <= 10.

        exp(x) = 2**k * 2**f, k = round(x * log2(e)), |f| <= 1/2

    The result has 25 significant bits.

    Args:
      x: on the grid; cut to [-300, 20].
    """
    x = tf.clip_by_value(x, LEAST_EXPONENT, MOST_EXPONENT)
    # 25 bits of x times 27 of log2(e), then rounded to multiples of 2**-24.
    u = to_multiple(x * _LOG2_E, FRACTION_BITS)
    k = tf.floor(u + 0.5)
    f = u - k
    # Horner's rule on integers: 25 bits times 24, and 1/2 for the rounding.
    p = tf.fill(tf.shape(f), tf.constant(float(_POWER_OF_TWO[-1]), tf.float64))
    for coefficient in _POWER_OF_TWO[-2::-1]:
        p = tf.floor(p * f + (coefficient + 0.5))
    return p * _power_of_two(k - FRACTION_BITS)


def _power_of_two(k: tf.Tensor) -> tf.Tensor:
    """2**k for whole numbers k, from the bits of float64; `pow` may be inexact."""
    exponent = tf.cast(tf.cast(k, tf.int32) + _EXPONENT_BIAS, tf.int64)
    shift = tf.constant(_MANTISSA_BITS, tf.int64)
    return tf.bitcast(tf.bitwise.left_shift(exponent, shift), tf.float64)


def sigmoid(x: tf.Tensor) -> tf.Tensor:
    """1 / (1 + exp(-x)) in steps of 2**-24, with an error below 2**-23."""
    small = exp(-tf.abs(x))
    upper = to_multiple(1.0 / (1.0 + small), FRACTION_BITS)
    return tf.where(x >= 0, upper, 1.0 - upper)


def tail(x: tf.Tensor) -> tf.Tensor:
    """1 / (1 + exp(-x)), whose relative error is below 1e-6 far below 0 too."""
    small = exp(-tf.abs(x))
    return tf.where(x >= 0, tf.ones_like(small), small) / (1.0 + small)


def tanh(x: tf.Tensor) -> tf.Tensor:
    """tanh(x) on the grid."""
    small = exp(-2.0 * tf.abs(x))
    upper = to_grid((1.0 - small) / (1.0 + small))
    return tf.where(x >= 0, upper, -upper)


def elu(x: tf.Tensor) -> tf.Tensor:
    """x above 0, exp(x) - 1 below, on the grid."""
    return tf.where(x > 0, x, _below_zero(x))


def elu_of_both_signs(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """elu(x) and elu(-x), which take one exponential."""
    below, is_positive = _below_zero(x), x > 0
    return tf.where(is_positive, x, below), tf.where(is_positive, below, -x)


def _below_zero(x: tf.Tensor) -> tf.Tensor:
    """exp(-|x|) - 1 on the grid."""
    return to_grid(exp(-tf.abs(x))) - 1.0

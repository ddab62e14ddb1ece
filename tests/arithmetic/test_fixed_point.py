"""Fixed-point functions: how exact they are, and the same in TensorFlow and XLA."""

from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.arithmetic import fixed_point
from agave_tf.arithmetic.arithmetic import FLOAT
from agave_tf.arithmetic.exact_arithmetic import EXACT

STEP = 2.0**-fixed_point.GRID_BITS
# Every number on the grid from -20 to 20.
NEAR_ZERO = np.arange(-20 / STEP, 20 / STEP + 1) * STEP


def on_both(function, *args):
    """The values in TensorFlow, which must be those in XLA, bit for bit."""
    args = [tf.constant(x) for x in args]
    eager = tf.nest.flatten(function(*args))
    compiled = tf.nest.flatten(tf.function(function, jit_compile=True)(*args))
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_array_equal(a, b)
    return [value.numpy() for value in eager]


def test_exp_has_a_relative_error_below_one_in_a_million():
    (found,) = on_both(fixed_point.exp, NEAR_ZERO)
    near = np.abs(NEAR_ZERO) <= 10
    error = np.abs(found / np.exp(NEAR_ZERO) - 1)
    assert error[near].max() < 3e-7
    wide = np.arange(-300 / STEP, 20 / STEP, 97) * STEP
    (found,) = on_both(fixed_point.exp, wide)
    assert np.abs(found / np.exp(wide) - 1).max() < 1e-6
    beyond = fixed_point.exp(tf.constant([-1e4, 1e4], tf.float64))
    np.testing.assert_allclose(beyond, np.exp([-300, 20]), rtol=1e-6)


@pytest.mark.parametrize(
    "name,function,largest_error",
    [
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), 2.0**-23),
        ("tanh", np.tanh, 0.52 * STEP),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 0.52 * STEP),
    ],
)
def test_functions_are_within_a_rounding_and_rise(name, function, largest_error):
    (found,) = on_both(getattr(fixed_point, name), NEAR_ZERO)
    assert np.abs(found - function(NEAR_ZERO)).max() < largest_error
    assert np.diff(found).min() >= 0


def test_results_are_on_their_grid():
    for name in ("tanh", "elu"):
        found = getattr(fixed_point, name)(tf.constant(NEAR_ZERO)) / STEP
        np.testing.assert_array_equal(found, np.round(found))
    found = fixed_point.sigmoid(tf.constant(NEAR_ZERO)) * 2.0**24
    np.testing.assert_array_equal(found, np.round(found))
    mantissa, _ = np.frexp(fixed_point.exp(tf.constant(NEAR_ZERO)))
    np.testing.assert_array_equal(mantissa * 2**25, np.round(mantissa * 2**25))


def test_both_signs_of_elu_are_elu_of_both_signs():
    plus, minus = on_both(fixed_point.elu_of_both_signs, NEAR_ZERO)
    np.testing.assert_array_equal(plus, fixed_point.elu(tf.constant(NEAR_ZERO)))
    np.testing.assert_array_equal(minus, fixed_point.elu(tf.constant(-NEAR_ZERO)))


def test_the_tail_keeps_its_relative_precision():
    x = np.arange(-290 / STEP, 20 / STEP, 61) * STEP
    (found,) = on_both(fixed_point.tail, x)
    assert np.abs(found * (1 + np.exp(-x)) - 1).max() < 1e-6


def test_products_and_divisions_round_as_ieee_says():
    """Against fractions: also where a fused multiply-add would round otherwise."""
    rng = np.random.default_rng(0)
    a, b = (np.round(rng.normal(size=500) / STEP) * STEP for _ in range(2))
    (found,) = on_both(EXACT.times, a, b)

    def rounded(x):
        return Fraction((x * 2**16 + Fraction(1, 2)).__floor__(), 2**16)

    exact = [rounded(Fraction(x) * Fraction(y)) for x, y in zip(a, b)]
    np.testing.assert_array_equal(found, [float(x) for x in exact])


def test_levels_are_their_nearest_numbers_on_the_grid():
    level = np.arange(256, dtype=np.uint8)
    (found,) = on_both(EXACT.from_levels, level)
    exact = np.array([float(Fraction(2 * i - 255, 255)) for i in range(256)])
    np.testing.assert_array_equal(found / STEP, np.round(exact / STEP))
    np.testing.assert_allclose(found, FLOAT.from_levels(level), atol=STEP)
    assert found[0] == -1 and found[255] == 1


@pytest.mark.parametrize("strides,padding", [(1, "VALID"), (2, "SAME"), (2, "VALID")])
@pytest.mark.parametrize("kernel_size", [(2, 3), (5, 5), (1, 3), (3, 3)])
def test_convolutions_as_matrix_products_are_the_convolutions(
    kernel_size, strides, padding
):
    rng = np.random.default_rng(0)
    x, kernel = numbers(rng, 2, 6, 9, 4), numbers(rng, *kernel_size, 4, 3)
    args = tf.constant(x), tf.constant(kernel), strides, padding
    np.testing.assert_array_equal(EXACT.compiled.conv2d(*args), tf.nn.conv2d(*args))
    if padding != "SAME":
        return
    np.testing.assert_array_equal(
        EXACT.compiled.conv2d(*args[:2], 1, [(0, 0), (1, 0), (2, 1), (0, 0)]),
        tf.nn.conv2d(*args[:2], 1, [(0, 0), (1, 0), (2, 1), (0, 0)]),
    )


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize("kernel_size", [(2, 3), (5, 5), (2, 2), (3, 3)])
def test_transposed_convolutions_as_matrix_products_are_the_same(kernel_size, padding):
    rng = np.random.default_rng(0)
    x, kernel = numbers(rng, 2, 3, 4, 5), numbers(rng, *kernel_size, 3, 5)
    sides = (6, 8)
    if padding == "VALID":
        sides = tuple(n + k - 1 for n, k in zip(sides, kernel_size, strict=True))
    args = tf.constant(x), tf.constant(kernel), [2, *sides, 3], 2, padding
    np.testing.assert_array_equal(
        EXACT.compiled.conv2d_transpose(*args), tf.nn.conv2d_transpose(*args)
    )


def numbers(rng, *shape):
    """Random numbers on the grid."""
    return np.round(rng.normal(size=shape) / STEP) * STEP


def test_rounding_and_adding_a_multiple_change_places():
    """With ties to even a file of 32x32 images did not decode; tiny ones did."""
    ties = (np.arange(-9, 10) + 0.5) * STEP
    for multiple in (STEP, -3 * STEP, 2.0):
        shifted = fixed_point.to_grid(tf.constant(ties + multiple))
        np.testing.assert_array_equal(shifted, fixed_point.to_grid(ties) + multiple)

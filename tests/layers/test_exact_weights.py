"""Kernels of exact arithmetic: what they are, and what is refused."""

import re

import numpy as np
import pytest
import tensorflow as tf
from exact_passes import exact_model

from agave_tf.errors import InputError
from agave_tf.layers.exact_weights import (
    LARGEST_SUM,
    computing_exactly,
    exact_weights,
)
from agave_tf.layers.masked_convolution import MaskedConv2D
from agave_tf.layers.weight_norm import WeightNormConv2D, WeightNormConv2DTranspose
from agave_tf.weights.named_weights import named_weights

STEP = 2.0**-16


def numbers(*shape, seed=0):
    """Random numbers on the grid."""
    drawn = np.random.default_rng(seed).normal(size=shape)
    return tf.constant(np.round(drawn / STEP) * STEP)


def randomized(layer):
    """The layer, with other gains and biases than the first ones."""
    rng = np.random.default_rng(0)
    for variable in (layer.g, layer.b):
        variable.assign(rng.normal(size=variable.shape).astype(np.float32))
    return layer


@pytest.mark.parametrize(
    "make",
    [
        lambda: WeightNormConv2D(4, 6, (3, 3)),
        lambda: WeightNormConv2D(4, 6, (3, 3), gain="exponential"),
        lambda: WeightNormConv2DTranspose(4, 6, (2, 3), crop_corner=(0, 1)),
        lambda: WeightNormConv2DTranspose(4, 6, (5, 5), gain="exponential"),
        lambda: MaskedConv2D(4, 8, strict=True),
    ],
)
def test_kernels_are_those_of_floats_on_the_grid(make):
    layer = randomized(make())
    kernel, bound, bias = (x.numpy() for x in exact_weights(layer))
    # Half a step of the grid, and of exp(g) a share of g's step.
    np.testing.assert_allclose(kernel, layer.kernel(), atol=0.51 * STEP, rtol=1e-5)
    np.testing.assert_allclose(bias, layer.b, atol=0.51 * STEP)
    for values in (kernel, bias):
        np.testing.assert_array_equal(values / STEP, np.round(values / STEP))
    axes = tuple(axis for axis in range(4) if axis != layer.out_axis)
    sums = np.abs(kernel).sum(axes) * bound + np.abs(bias)
    assert sums.max() <= LARGEST_SUM
    assert (2 * np.abs(kernel).sum(axes) * bound).max() > LARGEST_SUM or (
        bound[0] == 2**16
    )


@pytest.mark.parametrize("is_compiled", [False, True])
def test_no_order_of_summation_changes_a_bit(is_compiled):
    """Channels in another order are added in another order; in floats it shows."""
    layer = randomized(WeightNormConv2D(64, 8, (3, 3)))
    weights = exact_weights(layer)
    x, order = numbers(2, 8, 8, 64), np.random.default_rng(1).permutation(64)

    def outputs(weights):
        def run(x):
            with computing_exactly(layer, weights):
                return layer(x)

        return tf.function(run, jit_compile=is_compiled, autograph=False)

    kernel, *rest = weights
    shuffled = [tf.gather(kernel, order, axis=2), *rest]
    expected = outputs(weights)(x)
    np.testing.assert_array_equal(
        outputs(shuffled)(tf.gather(x, order, axis=-1)), expected
    )
    # Whole numbers of Python have no limit.
    sums = np.zeros([8, 8, 8], object)
    seen = np.pad(x[0].numpy() / STEP, [(1, 1), (1, 1), (0, 0)]).astype(int)
    whole = (kernel.numpy() / STEP).astype(int).astype(object)
    for row in range(3):
        for column in range(3):
            part = seen[row : row + 8, column : column + 8].astype(object)
            sums += part @ whole[row, column]
    sums += (rest[1].numpy() / STEP).astype(int).astype(object) * 2**16
    np.testing.assert_array_equal(
        expected[0] / STEP, ((sums + 2**15) // 2**16).astype(float)
    )
    floats = layer(tf.cast(x, tf.float32))
    np.testing.assert_allclose(expected, floats, atol=1e-3)


def test_what_does_not_fit_is_refused_by_name():
    model = exact_model()
    named = named_weights(model)
    name = "pixel_cnn/layer_0_0/down/conv_in/g"
    named[name].assign(1e4 * tf.ones_like(named[name]))
    required = "at most 8192 for exact arithmetic; got "
    with pytest.raises(InputError, match="`pixel_cnn/layer_0_0/down/conv_in/v`.*") as e:
        exact_weights(model)
    assert re.search(required, str(e.value))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e7])
def test_a_weight_that_is_no_number_or_too_large_is_refused_by_name(value):
    model = exact_model()
    bias = named_weights(model)["vae/dec/b"]
    bias.assign(value * tf.ones_like(bias))
    with pytest.raises(InputError, match="`vae/dec/b` must be at most 524288"):
        exact_weights(model)


def test_inputs_beyond_the_bound_are_cut_and_stay_exact():
    layer = randomized(WeightNormConv2D(8, 3))
    weights = exact_weights(layer)
    bound = float(weights[1][0])
    x = numbers(1, 2, 2, 8) * 1e6
    with computing_exactly(layer, weights):
        cut = layer(tf.clip_by_value(x, -bound, bound))
        np.testing.assert_array_equal(layer(x), cut)

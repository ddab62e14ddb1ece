"""The forms of floats for compiled code: the same functions within a rounding."""

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.arithmetic.arithmetic import FLOAT

COMPILED = FLOAT.without_gradient.compiled


def in_xla(function, *args):
    args = [tf.constant(x, tf.float32) for x in args]
    return tf.function(function, jit_compile=True, autograph=False)(*args).numpy()


def test_elu_is_within_a_rounding_of_one():
    x = np.concatenate([np.linspace(-100, 100, 20001), [0, -1e-30, 1e30, -1e30]])
    x = x.astype(np.float32)
    exact = np.where(x > 0, x, np.expm1(np.minimum(x.astype(np.float64), 0)))
    found = in_xla(COMPILED.elu, x)
    # Above 0 it is x itself.
    np.testing.assert_array_equal(found[x >= 0], x[x >= 0])
    assert np.abs(found - exact)[x < 0].max() < 2.0**-22
    both = in_xla(COMPILED.concat_elu, x[:, None])
    np.testing.assert_array_equal(both, np.stack([found, in_xla(COMPILED.elu, -x)], 1))
    # What is not a number stays so.
    assert np.isnan(in_xla(COMPILED.elu, [np.nan])).all()


@pytest.mark.parametrize("padding,shape", [("SAME", [4, 6]), ("VALID", [5, 8])])
def test_transposed_convolutions_are_tensorflows(padding, shape):
    random = np.random.default_rng(0)
    x = random.normal(size=[2, 2, 3, 5])
    kernel = random.normal(size=[2, 3, 4, 5])
    rest = ([2, *shape, 4], 2, padding)
    found = in_xla(lambda x, k: COMPILED.conv2d_transpose(x, k, *rest), x, kernel)
    expected = tf.nn.conv2d_transpose(x, kernel, *rest)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_only_compiled_code_without_gradients_has_these_forms():
    assert FLOAT.compiled is FLOAT
    assert COMPILED.compiled is COMPILED
    assert not COMPILED.has_gradient

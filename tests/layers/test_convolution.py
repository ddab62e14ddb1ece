"""Our gradients of a convolution equal TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf

from agave_tf.layers.convolution import convolve


@pytest.mark.parametrize(
    "kernel_size,padding",
    [
        ((2, 3), ((1, 0), (1, 1))),
        ((2, 2), ((1, 0), (1, 0))),
        ((3, 3), ((1, 1), (1, 1))),
        ((1, 1), ((0, 0), (0, 0))),
        ((1, 3), ((0, 0), (1, 1))),
        ((2, 1), ((1, 0), (0, 0))),
        ((2, 3), ((0, 0), (0, 0))),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradients_are_those_of_the_plain_convolution(kernel_size, padding, dtype):
    random = np.random.default_rng(0)
    x = tf.constant(random.normal(size=(2, 5, 6, 3)), dtype)
    kernel = tf.constant(random.normal(size=(*kernel_size, 3, 4)), dtype)
    weights = None
    results = []
    for function in (
        lambda x, kernel: convolve(x, kernel, padding),
        lambda x, kernel: tf.nn.conv2d(x, kernel, 1, ((0, 0), *padding, (0, 0))),
    ):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = function(x, kernel)
            if weights is None:
                weights = tf.constant(random.normal(size=y.shape), dtype)
            value = tf.reduce_sum(y * weights)
        results.append([y, *tape.gradient(value, [x, kernel])])
    # Relative to the largest value; in bfloat16, of 8 bits, TensorFlow rounds sums too.
    tolerance = 1e-6 if dtype == "float32" else 0.04
    for ours, theirs in zip(*results, strict=True):
        assert ours.shape == theirs.shape
        ours, theirs = (tf.cast(x, tf.float32).numpy() for x in (ours, theirs))
        largest = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * largest)

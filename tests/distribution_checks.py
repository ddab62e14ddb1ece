"""Checks that every likelihood of discrete values must pass."""

import numpy as np
import tensorflow as tf


def check_probabilities_sum_to_one(log_probs: tf.Tensor, tolerance: float = 2e-5):
    """log_probs: [K,...], of all K values."""
    total = tf.reduce_sum(tf.exp(log_probs), axis=0).numpy()
    np.testing.assert_allclose(total, 1.0, atol=tolerance)


def check_frequencies(
    samples: np.ndarray, values: np.ndarray, probabilities: np.ndarray
):
    """Samples [n] of a scalar fall on `values` [K] as often as they should.

    Each frequency is within 5 standard errors (plus 2 counts) of its probability. By
    the normal approximation a value fails falsely with probability 6e-7; one run in
    7,000 has a false failure among 256 values -- were the seed not fixed. Fixed means a
    pair of integers: what TFP draws from a single one depends on the draws before.
    """
    n = len(samples)
    counts = (np.asarray(samples)[:, None] == np.asarray(values)).sum(axis=0)
    assert counts.sum() == n, "a sample is none of the values"
    error = np.sqrt(n * probabilities * (1 - probabilities))
    excess = np.abs(counts - n * probabilities) - (5 * error + 2)
    assert excess.max() < 0, (
        f"value {values[excess.argmax()]}: {counts[excess.argmax()]}"
    )


def check_outside_is_minus_infinity(function, *inputs: tf.Tensor):
    """function(*inputs), a log_prob of values outside, is -inf; its gradient finite."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        log_prob = function(*inputs)
    assert (log_prob.numpy() == -np.inf).all()
    for gradient in tape.gradient(log_prob, inputs):
        assert np.isfinite(gradient.numpy()).all()


def check_finite_with_gradient(function, *inputs: tf.Tensor):
    """function(*inputs) and its gradient are finite everywhere."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
    assert np.isfinite(value.numpy()).all()
    for gradient in tape.gradient(value, inputs):
        assert np.isfinite(gradient.numpy()).all()
